"""Alerts to Prometheus Alertmanager (API v2), which groups, silences and routes them.

An alert there ends by itself when nobody says in time that it still stands. So each that stands is said again at a
third of that time, for as long as this sink has its record: it is kept as one for later
(`connectors.sinks.writer.Pacing`), and after a crash Kafka gives it again. What is resolved or withdrawn is said to
have ended, and so is what is shelved or inhibited, for nobody need be called for it. Severity is a label, and labels
name an alert: where it changes, the one of before ends.

Where it is wanted, an alert `WATCHDOG` stands for as long as every partition has a worker that lives: whoever is told
that it ended, or hears of it no more (a dead man's switch behind Alertmanager), knows that somebody is not there.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from pydantic import Field, field_validator

from connectors.alert_filter import AlertFilter, FilterSettings
from connectors.kafka.records import Record, event_of
from connectors.kafka.topics import ALERTS
from connectors.settings import Settings as Surroundings
from connectors.sinks.telling.heartbeat import Heart, StillHere, Workers, every, workers_of
from connectors.sinks.telling.http_answers import checked_header, checked_url, open_client, post
from connectors.sinks.telling.subscriber import utc_now
from connectors.sinks.writer import BadItem
from twin.events import Alert

SINK = "alertmanager"

TOPICS = (ALERTS,)

WATCHDOG = "Watchdog"
"""What Prometheus calls an alert that always stands; its severity is ``none``."""

AT_ONCE = 200
"""Alerts in one call."""

REMEMBERED = 100_000
"""Alerts of which it is known that they ended, the newest."""


class Settings(FilterSettings, env_prefix="DOSETWIN_ALERTMANAGER_"):
    """Where Alertmanager is, what opens it, and how long it keeps an alert of which it hears no more."""

    url: str = Field("http://127.0.0.1:9093", description="address of Alertmanager; https unless it is on this machine")
    authorization: str = Field("", repr=False, description="header Authorization, where one is asked for")
    authority: Path | None = Field(None, description="PEM file of its authority, if not one of the system's")
    expires_minutes: float = Field(
        15.0, ge=0.05, le=1440, description="after which an alert ends there that was not said again"
    )
    console: str = Field("", description="address of the console, which alerts then link to")
    watchdog: bool = Field(False, description="keep an alert 'Watchdog' there for as long as all workers live")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return checked_url(value).rstrip("/")

    @field_validator("authorization")
    @classmethod
    def _header(cls, value: str) -> str:
        return checked_header(value)


@contextmanager
def open_writer(settings: Settings, surroundings: Surroundings | None = None) -> Iterator[Alertmanager]:
    """A writer to the Alertmanager of ``settings``, which need not be up yet; its connections are closed at the end."""
    with open_client(settings.authority) as client:
        look = None if surroundings is None else partial(workers_of, surroundings)
        yield Alertmanager(settings, client, look=look)


@dataclass(frozen=True, slots=True)
class _Said:
    """What Alertmanager was told last of an alert that stands, and when."""

    alert: Alert
    at: datetime


class Alertmanager:
    """Says what stands, again and again, and what ends, once; ``now`` gives the time, ``look`` how workers fare."""

    def __init__(
        self,
        settings: Settings,
        client: httpx2.Client,
        now: Callable[[], datetime] = utc_now,
        look: Callable[[], Workers] | None = None,
    ) -> None:
        self._settings, self._client, self._now = settings, client, now
        self._expires = timedelta(minutes=settings.expires_minutes)
        self._began = now()
        self._heart: Heart | None = None
        if settings.watchdog and look is not None:
            self._heart = Heart(every(self._expires / 3), look, self._say_still_here, now)
        self._filter = AlertFilter(settings)
        self._standing: dict[str, Alert] = {}
        self._said: dict[str, _Said] = {}
        self._refused: dict[str, str] = {}
        self._ended: OrderedDict[str, int] = OrderedDict()

    def items(self, record: Record) -> list[Alert]:
        """The alert of a record, if it is wanted.

        Raises:
            ValueError: it is no event.
        """
        event = event_of(record)
        return [event] if isinstance(event, Alert) and self._filter.wants(event) else []

    def kind(self, item: Alert) -> str:
        """The patient: their alerts are told in order."""
        return item.patient_id

    def later(self, items: Sequence[Alert]) -> list[int]:
        """Those that stand: they are for `refresh` to say, until a newer record of theirs comes."""
        newest: dict[str, Alert] = {}
        for one in items:
            if one.alert_id not in newest or one.revision >= newest[one.alert_id].revision:
                newest[one.alert_id] = one
        self._standing = {name: one for name, one in newest.items() if self._stands(one)}
        return [place for place, one in enumerate(items) if self._standing.get(one.alert_id) is one]

    def _stands(self, alert: Alert) -> bool:
        over = alert.revision <= self._ended.get(alert.alert_id, -1)
        return alert.live and not over and alert.event_id not in self._refused

    def refresh(self) -> None:
        """Say what stands and is new, has changed, or would soon end there.

        Raises:
            AccessDenied, Unavailable: it could not be said now.
        """
        if self._heart is not None:
            self._heart.beat()
        now = self._now()
        due = [one for one in self._standing.values() if self._is_due(one, now)]
        for start in range(0, len(due), AT_ONCE):
            self._tell(due[start : start + AT_ONCE], now)

    def write(self, items: Sequence[Alert]) -> None:
        """Say what has ended; of what stands only that comes here which is told by a newer record, or was refused.

        Raises:
            BadItem: Alertmanager does not take some of them.
            AccessDenied, Unavailable: it could not be said now.
        """
        newest = {one.alert_id: one for one in items}
        ended = [one for one in newest.values() if not one.live]
        if ended:
            self._post([said for one in ended for said in self._ends(one)])
        for one in ended:
            self._said.pop(one.alert_id, None)
            self._ended[one.alert_id] = one.revision
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        refused = {place: why for place, one in enumerate(items) if (why := self._refused.pop(one.event_id, None))}
        if refused:
            raise BadItem("refused", refused=refused)

    def _is_due(self, alert: Alert, now: datetime) -> bool:
        said = self._said.get(alert.alert_id)
        if _is_quiet(alert, now):
            return said is not None
        return said is None or said.alert is not alert or now - said.at >= self._expires / 3

    def _tell(self, alerts: Sequence[Alert], now: datetime) -> None:
        """Say how these stand; one that is refused, found by ever smaller calls, is remembered for `write`."""
        try:
            self._post([said for one in alerts for said in self._stand(one, now)])
        except BadItem as refusal:
            if len(alerts) == 1:
                self._refused[alerts[0].event_id] = str(refusal)
                return
            middle = len(alerts) // 2
            self._tell(alerts[:middle], now)
            self._tell(alerts[middle:], now)
            return
        for one in alerts:
            if _is_quiet(one, now):
                self._said.pop(one.alert_id, None)
            else:
                self._said[one.alert_id] = _Said(one, now)

    def _stand(self, alert: Alert, now: datetime) -> Iterator[dict[str, Any]]:
        """An alert that stands; what was said of it under another severity ends, and all of it where it is quiet."""
        said = self._said.get(alert.alert_id)
        if said is not None and (_is_quiet(alert, now) or said.alert.severity != alert.severity):
            yield self._entry(alert, labels(said.alert), now)
        if not _is_quiet(alert, now):
            yield self._entry(alert, labels(alert), now + self._expires)

    def _ends(self, alert: Alert) -> Iterator[dict[str, Any]]:
        said = self._said.get(alert.alert_id)
        ended = min(alert.time, self._now())
        if said is not None and said.alert.severity != alert.severity:
            yield self._entry(alert, labels(said.alert), ended)
        yield self._entry(alert, labels(alert), ended)

    def _entry(self, alert: Alert, named: Mapping[str, str], ends: datetime) -> dict[str, Any]:
        """One alert of the API; one that ends before it begins would have the whole call refused."""
        begins = min(alert.onset, self._now())
        link = f"{self._settings.console.rstrip('/')}/#patient/{alert.patient_id}" if self._settings.console else ""
        return {
            "labels": dict(named),
            "annotations": told_of(alert),
            "startsAt": _rfc3339(begins),
            "endsAt": _rfc3339(max(begins, ends)),
            **({"generatorURL": link} if link else {}),
        }

    def _say_still_here(self, still: StillHere) -> None:
        workers = still.workers
        summary = f"All {workers.partitions} partitions have a worker that lives; {workers.lag} records wait."
        self._post(
            [
                {
                    "labels": {"alertname": WATCHDOG, "severity": "none", "job": "dosetwin"},
                    "annotations": {"summary": summary, "sealed": str(workers.sealed)},
                    "startsAt": _rfc3339(self._began),
                    "endsAt": _rfc3339(still.time + self._expires),
                }
            ]
        )

    def _post(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        headers = {"content-type": "application/json"}
        if self._settings.authorization:
            headers["authorization"] = self._settings.authorization
        post(self._client, f"{self._settings.url}/api/v2/alerts", json.dumps(alerts).encode(), headers)


def labels(alert: Alert) -> dict[str, str]:
    """What names an alert, groups and routes it: the same from its beginning to its end, but for the severity."""
    return {
        "alertname": alert.rule,
        "alert_id": alert.alert_id,
        "patient": alert.patient_id,
        "subject": alert.subject.name,
        "subject_kind": alert.subject.kind,
        "severity": alert.severity,
        "job": "dosetwin",
    }


def told_of(alert: Alert) -> dict[str, str]:
    """What is told of an alert: its text, what to check or do, its figures, and by what it is known."""
    cause = alert.inhibited_by
    told = {
        "summary": alert.text,
        "advice": alert.advice,
        "state": alert.state,
        "probability": None if alert.probability is None else f"{alert.probability:.3g}",
        "horizon_hours": None if alert.horizon_hours is None else f"{alert.horizon_hours:g}",
        "freshness_hours": None if alert.freshness_hours is None else f"{alert.freshness_hours:.3g}",
        "inhibited_by": None if cause is None else f"{cause.rule} ({cause.alert_id})",
        "shelved_until": None if alert.shelved_until is None else _rfc3339(alert.shelved_until),
        "model": alert.model,
        "revision": str(alert.revision),
        "event_id": alert.event_id,
        "time": _rfc3339(alert.time),
    }
    return {name: value for name, value in told.items() if value}


def _is_quiet(alert: Alert, now: datetime) -> bool:
    """Whether nobody need be called for it now."""
    return alert.inhibited_by is not None or (alert.shelved_until is not None and alert.shelved_until > now)


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
