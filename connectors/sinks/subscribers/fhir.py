"""Alerts and estimates to a FHIR R4 server: DetectedIssue, Flag, RiskAssessment, Communication and Observation.

Each resource is put under an id that follows from what it is about (`connectors.protocols.fhir.outputs`), several in
one batch, of which the server says singly what it took. Of what came at once the newest is put, so that an alert or an
estimate is on the server as it stands.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
from pydantic import Field, field_validator

from connectors.alert_filter import AlertFilter, FilterSettings
from connectors.kafka.records import Record, event_of
from connectors.kafka.topics import ALERTS, ESTIMATES
from connectors.protocols.fhir.outputs import PATIENTS, Body, of_alert, of_estimate, of_forecast
from connectors.protocols.fhir.resource import listed, member, text_of
from connectors.protocols.fhir_servers.authorization import BackendToken, SmartSettings
from connectors.protocols.fhir_servers.server import Passing
from connectors.sinks.telling.http_answers import checked_url, judge, open_client
from connectors.sinks.telling.patience import Patience
from connectors.sinks.telling.subscriber import Failed, utc_now
from connectors.sinks.writer import AccessDenied, BadItem, TooSlow, Unavailable
from twin.events import Alert, Estimate, Forecast

SINK = "fhir"

TOPICS = (ALERTS, ESTIMATES)

KINDS = ("DetectedIssue", "Flag", "RiskAssessment", "Communication", "Observation")

AT_ONCE = 50
"""Resources in one batch."""

ANSWER_SECONDS = 30.0
"""Longest wait for a server's answer to one batch."""

LONGEST_WRITE = 20.0
"""Seconds after which a call gives the loop a chance to poll; what is left is sent by the next."""

MOST_ANSWER = 4 * 1_048_576
"""Bytes of an answer."""


class Settings(FilterSettings, SmartSettings, env_prefix="DOSETWIN_FHIR_"):
    """Where the server is, what opens it, and what it is told."""

    server: str = Field(description="base address of the server, as https://ehr.example/fhir")
    authority: Path | None = Field(None, description="PEM file of the server's authority, if not one of the system's")
    scope: str = Field("system/*.cu", description="what the token is to be for, in the words of SMART")
    patient_system: str = Field(
        PATIENTS,
        pattern=r"^(urn:|https?:)\S+$",
        description="system of the identifier that a pseudonym is at the server",
    )
    resources: str = Field(",".join(KINDS), description="kinds of resources that are put, separated by commas")

    @field_validator("server")
    @classmethod
    def _server(cls, value: str) -> str:
        return checked_url(value).rstrip("/")

    @field_validator("resources")
    @classmethod
    def _kinds(cls, value: str) -> str:
        kinds = [kind.strip() for kind in value.split(",")]
        if unknown := [kind for kind in kinds if kind not in KINDS]:
            raise ValueError(f"'{unknown[0]}' is not put; choose from {', '.join(KINDS)}")
        return ",".join(kinds)


@contextmanager
def open_writer(settings: Settings, _: object = None) -> Iterator[FhirWriter]:
    """A writer to the server of ``settings``, which need not be up yet; its connections are closed at the end."""
    with open_client(settings.authority) as client:
        yield FhirWriter(settings, client)


class FhirWriter:
    """Puts resources; ``now`` gives the time (UTC)."""

    def __init__(self, settings: Settings, client: httpx2.Client, now: Callable[[], datetime] = utc_now) -> None:
        self._settings, self._client = settings, client
        self._kinds = frozenset(settings.resources.split(","))
        self._filter = AlertFilter(settings)
        self._patience = Patience(now)
        self._token = _Token(settings) if settings.client_id else None
        self._newest: dict[str, datetime] = {}

    def items(self, record: Record) -> list[Body]:
        """The resources of a record; none of one that is not wanted, or of an estimate older than one that was read.

        Raises:
            ValueError: it is no event.
        """
        event, system = event_of(record), self._settings.patient_system
        found: list[Body] = []
        if isinstance(event, Alert) and self._filter.wants(event):
            found = list(of_alert(event, system))
        elif isinstance(event, Estimate | Forecast) and self._is_newest(event):
            made = of_estimate(event, system) if isinstance(event, Estimate) else of_forecast(event, system)
            found = [] if made is None else [made]
        return [body for body in found if body["resourceType"] in self._kinds]

    def kind(self, item: Body) -> str:
        """The kind of resource: a server may refuse all of one."""
        return str(item["resourceType"])

    def write(self, items: Sequence[Body]) -> None:
        """Put what stands, the newest of each resource.

        Raises:
            BadItem: the server does not take some of them.
            AccessDenied, TooSlow, Unavailable: it could not be done now.
        """
        newest = {_place(item): number for number, item in enumerate(items)}
        numbers, refused = list(newest.values()), dict[int, str]()
        until = time.monotonic() + LONGEST_WRITE
        for start in range(0, len(numbers), AT_ONCE):
            if time.monotonic() > until:
                raise TooSlow(f"more than {LONGEST_WRITE:.0f} s for {len(numbers)} resources")
            some = numbers[start : start + AT_ONCE]
            for at, why in self._put([items[number] for number in some]).items():
                refused[some[at]] = why
        if refused:
            raise BadItem("refused", refused=refused)

    def _is_newest(self, event: Estimate | Forecast) -> bool:
        """Whether nothing newer was read of its patient and model; late data have older ones told anew."""
        about = f"{event.kind}/{event.patient_id}/{event.model}"
        if not self._filter.tells_of(event.patient_id) or event.time < self._newest.get(about, event.time):
            return False
        self._newest[about] = event.time
        return True

    def _put(self, bodies: Sequence[Body]) -> dict[int, str]:
        """Put resources in one batch; returns why some are refused, by their places."""
        entries = [{"resource": body, "request": {"method": "PUT", "url": _place(body)}} for body in bodies]
        batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        try:
            answer = self._post(json.dumps(batch, allow_nan=False).encode())
        except AccessDenied:
            if self._token is not None:
                self._token.drop()
            raise
        said = listed(answer.get("entry"))
        if len(said) != len(bodies):
            raise Failed(
                f"an answer about {len(said)} of {len(bodies)} resources; is --server the base of a FHIR server?"
            )
        refused: dict[int, str] = {}
        trouble: Unavailable | None = None
        for number, (body, entry) in enumerate(zip(bodies, said, strict=True)):
            try:
                self._judge(_place(body), entry)
            except BadItem as refusal:
                refused[number] = str(refusal)
            except Unavailable as error:
                trouble = error
        if trouble is not None:
            raise trouble
        return refused

    def _judge(self, place: str, entry: Mapping[str, Any]) -> None:
        """What the server says of one resource.

        Raises:
            BadItem, AccessDenied, Unavailable: by its status.
        """
        response = member(entry, "response") or {}
        said = text_of(response.get("status"))[:3]
        status = int(said) if said.isdecimal() else 500
        issues = listed(member(response, "outcome", "issue"))
        why = "; ".join(text_of(issue.get("diagnostics")) for issue in issues)
        if status in (404, 405, 410):
            raise BadItem(f"HTTP {status}: the server takes no such resource; leave its kind out of --resources")
        try:
            judge(status, {}, why, 0.0)
        except Failed as error:
            if self._patience.ended(place, answered=True):
                raise BadItem(f"the server fails at it again and again: {error}") from None
            raise
        self._patience.took(place)

    def _post(self, batch: bytes) -> Mapping[str, Any]:
        headers = {"content-type": "application/fhir+json", "accept": "application/fhir+json"}
        if self._token is not None:
            headers["authorization"] = self._token.header()
        raw = bytearray()
        try:
            with self._client.stream(
                "POST", self._settings.server, content=batch, headers=headers, timeout=ANSWER_SECONDS
            ) as response:
                for chunk in response.iter_bytes():
                    raw += chunk
                    if len(raw) > MOST_ANSWER:
                        raise TooSlow(f"an answer of more than {MOST_ANSWER} bytes")
        except httpx2.TimeoutException:
            raise TooSlow(f"no answer in {ANSWER_SECONDS:g} s") from None
        except (httpx2.HTTPError, OSError) as error:
            raise Unavailable(type(error).__name__) from None
        judge(response.status_code, response.headers, _diagnosed(raw), time.time())
        return _json(raw)


class _Token:
    """The token of SMART Backend Services, which a loop of its own asks for."""

    def __init__(self, settings: Settings) -> None:
        self._context = ssl.create_default_context(cafile=settings.authority)
        self._bearer = BackendToken(settings, settings.server, self._client())

    def header(self) -> str:
        """``Bearer ...``.

        Raises:
            AccessDenied: none is given now.
        """
        try:
            return asyncio.run(self._asked())
        except (Passing, httpx2.HTTPError, OSError) as error:
            raise AccessDenied(str(error) or type(error).__name__) from None

    def drop(self) -> None:
        """The server does not take it any more."""
        self._bearer.drop()

    async def _asked(self) -> str:
        async with self._client() as client:
            self._bearer.client = client
            return await self._bearer.header()

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(verify=self._context, timeout=ANSWER_SECONDS, follow_redirects=False)


def _place(body: Body) -> str:
    """Where a resource is put, below the server's base."""
    return f"{body['resourceType']}/{body['id']}"


def _json(raw: bytes | bytearray) -> Mapping[str, Any]:
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        said = None
    return said if isinstance(said, dict) else {}


def _diagnosed(raw: bytes | bytearray) -> str:
    return "; ".join(text_of(issue.get("diagnostics")) for issue in listed(_json(raw).get("issue")))
