"""The alerts that were told, the newest of them kept in memory, and how far each client has come in them.

A client's place is one offset for each partition of the topic, together with which topic it was: whatever order a
console read the partitions in, before a restart or after it, what lies behind those offsets is what the client has not
been told. Nothing is queued for anybody: each client is told from the log as fast as it takes it. Where it comes so
late that the log no longer has all of it, it is told so (a *gap*), and what still stands.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from connectors.alert_filter import Judged, Severity
from connectors.kafka.records import Record
from twin.events import Alert, encode

MOST_KEPT = 20_000
"""Transitions that are kept, about 1 kB each: who was away for more of them is told of a gap."""

MOST_STANDING = 20_000
"""Alerts that stand and are told to new clients; were there more, those of which was told longest ago are not."""

AT_ONCE = 200
"""Alerts that are told in one go."""

_PLACE = re.compile(r"([A-Za-z0-9_-]{1,64}):((?:\d{1,18})(?:,\d{1,18}){0,1023})", re.ASCII)


class Place(NamedTuple):
    """How far a client is: in the topic with the id ``log``, the first offset of each partition that is still to tell.

    >>> str(Place.read("3f2a:12,0,7"))
    '3f2a:12,0,7'
    """

    log: str
    offsets: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.log}:{','.join(map(str, self.offsets))}"

    @classmethod
    def read(cls, text: str) -> Place:
        """A place as it was written.

        Raises:
            ValueError: it is none.
        """
        found = _PLACE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:80]!r} is no id of this stream: send the last one that came, or none")
        return cls(found[1], tuple(map(int, found[2].split(","))))


class Gap(msgspec.Struct, frozen=True):
    """What a client cannot be told any more: ``at_most`` so many alerts, where that is known.

    ``reason``: *too_old*, the console has forgotten them; *other_log*, the place is none in the topic as it is now.
    """

    reason: Literal["too_old", "other_log"]
    at_most: int | None
    detail: str


class Told(NamedTuple):
    """What is told: ``text`` is JSON, and ``place`` is where a client goes on that has it; empty where that is not
    known yet."""

    kind: Literal["alert", "gap", "ready"]
    text: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A transition as it is told, and of it what is judged by: the alert itself would take five times the memory."""

    number: int
    partition: int
    offset: int
    alert_id: str
    patient_id: str
    rule: str
    severity: Severity
    revision: int
    live: bool
    text: str

    @classmethod
    def of(cls, number: int, record: Record, alert: Alert) -> _Entry:
        return cls(
            number,
            record.partition,
            record.offset,
            alert.alert_id,
            alert.patient_id,
            alert.rule,
            alert.severity,
            alert.revision,
            alert.live,
            encode(alert).decode(),
        )

    def alert(self) -> Alert:
        return Alert.model_validate_json(self.text)


class AlertLog:
    """The newest alerts in the order in which they were read, and all that stand. One thread fills it, many read."""

    def __init__(self, most: int = MOST_KEPT, standing: int = MOST_STANDING) -> None:
        self.lock = threading.Lock()
        self.name = ""
        self.begins: list[int] = []
        self.ends: list[int] = []
        self._most, self._most_standing = most, standing
        self._forget()

    def open(self, name: str, begins: Mapping[int, int]) -> None:
        """The topic is read, from now on or again: its id, and the first offset that each partition still has."""
        with self.lock:
            count = max(begins, default=-1) + 1
            if name != self.name or count < len(self.ends):
                self._forget()
                self.name, self.begins, self.ends = name, [], []
            new = [begins.get(number, 0) for number in range(len(self.ends), count)]
            self.begins += new
            self.ends += new
            for number, begin in begins.items():
                if begin > self.ends[number]:  # deleted before it was read
                    self.begins[number] = self.ends[number] = begin

    def take(self, record: Record, alert: Alert | None) -> None:
        """A record of the topic, in the order of its partition; None is no alert."""
        with self.lock:
            if record.partition >= len(self.ends) or record.offset < self.ends[record.partition]:
                return
            self.ends[record.partition] = record.offset + 1
            if alert is None:
                return
            entry = _Entry.of(self.next_number, record, alert)
            self.next_number += 1
            self._entries.append(entry)
            if alert.live:
                self._standing.pop(alert.alert_id, None)
                self._standing[alert.alert_id] = entry
                if len(self._standing) > self._most_standing:
                    del self._standing[next(iter(self._standing))]
            else:
                self._standing.pop(alert.alert_id, None)
            if len(self._entries) > self._most + self._most // 64:
                self._drop(len(self._entries) - self._most)

    def standing(self) -> list[_Entry]:
        """Of each alert that stands what was told last, the oldest first; call it under the lock."""
        return sorted(self._standing.values(), key=lambda entry: entry.number)

    def newest(self, alert_id: str) -> Alert | None:
        """What was told last of an alert that stands, or that ended among what is kept; None of any other."""
        with self.lock:
            known = self._standing.get(alert_id) or next(
                (entry for entry in reversed(self._entries) if entry.alert_id == alert_id), None
            )
        return None if known is None else known.alert()

    def since(self, number: int, most: int) -> Sequence[_Entry]:
        """At most so many entries from a number on, or from the first that is kept; call it under the lock."""
        first = max(number - (self.next_number - len(self._entries)), 0)
        return self._entries[first : first + most]

    def _drop(self, count: int) -> None:
        for entry in self._entries[:count]:
            self.begins[entry.partition] = entry.offset + 1
        del self._entries[:count]

    def _forget(self) -> None:
        self._entries: list[_Entry] = []
        self._standing: dict[str, _Entry] = {}
        self.next_number = 0


class Follower:
    """One client, and how far it was told.

    Args:
        log: what it is told from.
        after: where it goes on; None for a new client, which is told what stands and then what comes.
        wants: which alerts it is told.
    """

    def __init__(self, log: AlertLog, after: Place | None, wants: Callable[[Judged], bool] = lambda _: True) -> None:
        self._log, self._wants = log, wants
        self._name = after.log if after else ""
        self._at = list(after.offsets) if after else []
        self._number = 0
        self._ready = False

    @property
    def place(self) -> str:
        """Where a client goes on that has all that was told; empty as long as it must be told what stands."""
        return str(Place(self._name, tuple(self._at))) if self._name else ""

    def next(self, *, up_to_date: bool) -> list[Told]:
        """What is to be told now, about `AT_ONCE` at most; nothing where there is nothing new.

        Args:
            up_to_date: whether all has been read that stood in the topic when its reading began.
        """
        log = self._log
        with log.lock:
            if not log.name:
                return []
            told = self._elsewhere(up_to_date)
            if not self._name:
                if not up_to_date:
                    return told
                told += self._standing(lambda _: True)
                self._name, self._at, self._number = log.name, list(log.ends), log.next_number
            self._at += log.begins[len(self._at) :]
            told += self._missed()
            told += self._news()
            if up_to_date and not self._ready and self._number == log.next_number:
                self._ready = True
                told.append(Told("ready", "{}", self.place))
            return told

    def _elsewhere(self, up_to_date: bool) -> list[Told]:
        """Its place is none in this topic: it begins anew."""
        beyond = up_to_date and any(at > end for at, end in zip(self._at, self._log.ends, strict=False))
        if not self._name or (self._name == self._log.name and not beyond and len(self._at) <= len(self._log.ends)):
            return []
        self._name, self._at, self._ready = "", [], False
        detail = "the topic of alerts was made anew: what stands now follows, what ended meanwhile is not told"
        return [_gap("other_log", None, detail)]

    def _missed(self) -> list[Told]:
        """What was forgotten before it was told; what stands of it is told now."""
        at, begins = list(self._at), self._log.begins
        lost = sum(max(begin - mine, 0) for begin, mine in zip(begins, at, strict=True))
        if not lost:
            return []
        self._at = [max(begin, mine) for begin, mine in zip(begins, at, strict=True)]
        detail = f"at most {lost} alerts are not kept any more: of them, what stands now follows"
        return [
            _gap("too_old", lost, detail),
            *self._standing(lambda entry: at[entry.partition] <= entry.offset < begins[entry.partition]),
        ]

    def _standing(self, of_them: Callable[[_Entry], bool]) -> list[Told]:
        told = (entry for entry in self._log.standing() if of_them(entry) and self._wants(entry))
        return [Told("alert", entry.text) for entry in told]

    def _news(self) -> list[Told]:
        told: list[Told] = []
        while len(told) < AT_ONCE and (entries := self._log.since(self._number, AT_ONCE)):
            for entry in entries:
                self._number = entry.number + 1
                if entry.offset < self._at[entry.partition]:
                    continue
                self._at[entry.partition] = entry.offset + 1
                if self._wants(entry):
                    told.append(Told("alert", entry.text, self.place))
        return told


def _gap(reason: Literal["too_old", "other_log"], at_most: int | None, detail: str) -> Told:
    return Told("gap", msgspec.json.encode(Gap(reason, at_most, detail)).decode())
