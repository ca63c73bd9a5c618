"""A cheap deterministic twin for tests of the stream: it folds what it observes into a digest and a few totals.

It keeps its history sorted by event time and event id, so that, like the real twin, its belief does not depend on the
order of arrival. A lab result costs a little time; everything else is routine.
"""

from __future__ import annotations

import hashlib
import json
import time
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streams.worker.twin_factory import UnknownModel
from twin.events import (
    Alert,
    Enrolment,
    Estimate,
    InputEvent,
    LabResult,
    OutputEvent,
    Rejected,
    Subject,
    to_millis,
)
from twin.events import event_id as deterministic_id
from twin.steps import Steps

MODEL = "fake_model"
HASH = "fake-hash-1"
UNITS = {"mg/h", "mg", "mg/L", "10*9/L", "/min"}


@dataclass(frozen=True)
class FakeUpdate:
    outputs: tuple[OutputEvent, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    withheld: bool = False


class FakeTwin:
    """See the module's docstring; ``slow`` is how long a lab result takes, in seconds."""

    def __init__(self, patient_id: str, slow: float = 0.002) -> None:
        self.patient_id = patient_id
        self.slow = slow
        self.history: list[tuple[int, str, str, float]] = []
        self.contents: dict[str, str] = {}

    def observe(self, events: Sequence[InputEvent], *, level: bool = True) -> FakeUpdate:  # noqa: ARG002
        outputs: list[OutputEvent] = []
        rejected: list[Rejected] = []
        for event in events:
            content = event.model_dump_json()
            known = self.contents.get(event.event_id)
            if known == content:
                continue
            reason = "conflicting_duplicate" if known is not None else self._fault(event)
            if reason is not None:
                rejected.append(Rejected(reason=reason, detail="fake", event_id=event.event_id))
                continue
            self.contents[event.event_id] = content
            value = event.value.value if isinstance(event, LabResult) else 0.0
            insort(self.history, (to_millis(event.time), event.event_id, event.kind, value))
            if "explosive" in (getattr(event, "drug", ""), getattr(event, "analyte", "")):
                self.history.clear()  # leaves itself in ruins, as a bug would
                raise ZeroDivisionError("boom")
            outputs.extend(self._say(event, value))
        return FakeUpdate(tuple(outputs), tuple(rejected))

    def observing(self, events: Sequence[InputEvent], *, level: bool = True) -> Steps[FakeUpdate]:
        update = self.observe(events, level=level)
        yield
        return update

    @staticmethod
    def _fault(event: InputEvent) -> str | None:
        quantity = getattr(event, "rate", getattr(event, "value", None))
        if quantity is not None and quantity.unit not in UNITS:
            return "unknown_unit"
        return "negative_amount" if quantity is not None and quantity.value < 0 else None

    def _say(self, event: InputEvent, value: float) -> list[OutputEvent]:
        if not isinstance(event, LabResult):
            return [self._estimate(event)] if isinstance(event, Enrolment) else []
        time.sleep(self.slow)
        said: list[OutputEvent] = [self._estimate(event)]
        if value < 0.5:
            said.append(self._alert(event))
        return said

    def _estimate(self, event: InputEvent) -> Estimate:
        count = sum(entry[0] <= to_millis(event.time) for entry in self.history)
        return Estimate(
            event_id=deterministic_id(self.patient_id, "estimate", to_millis(event.time)),
            patient_id=self.patient_id,
            time=event.time,
            source="fake",
            model=MODEL,
            model_hash=HASH,
            outputs=(),
            parameters=(),
            delivered_rate={},
            delivered={},
            ess=500.0,
            log_evidence=0.0,
            observations=count,
            kernel_hash="0" * 16,
        )

    def _alert(self, event: LabResult) -> Alert:
        alert_id = deterministic_id(self.patient_id, "low", event.event_id)
        return Alert(
            event_id=deterministic_id(alert_id, 0),
            patient_id=self.patient_id,
            time=event.time,
            source="fake",
            model=MODEL,
            model_hash=HASH,
            alert_id=alert_id,
            rule="tox.fake",
            subject=Subject("output", event.analyte),
            state="active",
            phase="start",
            severity="high",
            revision=0,
            onset=event.time,
            probability=None,
            horizon_hours=None,
            freshness_hours=None,
            text="low",
        )

    def digest(self) -> str:
        """Belief: a hash of the sorted history."""
        return hashlib.blake2b(json.dumps(self.history).encode(), digest_size=16).hexdigest()

    def reaches_back(self, event: InputEvent) -> bool:
        results = [entry[0] for entry in self.history if entry[2] == "lab_result"]
        return isinstance(event, LabResult) and to_millis(event.time) <= max(results, default=0)

    def take(self, event: InputEvent, *, level: bool = True) -> bool:
        if isinstance(event, LabResult | Enrolment) or event.event_id in self.contents or self._fault(event):
            return False
        self.observe([event], level=level)
        return True

    def row(self) -> bytes:
        return json.dumps({"id": self.patient_id, "slow": self.slow, "contents": self.contents,
                           "history": self.history, "digest": self.digest()}, sort_keys=True).encode()  # fmt: skip

    @classmethod
    def from_row(cls, row: bytes) -> FakeTwin:
        stored = json.loads(row)
        twin = cls(stored["id"], stored["slow"])
        twin.contents = stored["contents"]
        twin.history = [(entry[0], entry[1], entry[2], entry[3]) for entry in stored["history"]]
        return twin


class FakeTwins:
    """Factory of `FakeTwin`, with the signature of `streams.worker.twin_factory.LibraryTwins`."""

    def __init__(self, **_: Any) -> None:
        self.hash = HASH

    def __call__(self, model_id: str, patient_id: str) -> FakeTwin:
        self.model_hash(model_id)
        return FakeTwin(patient_id)

    def restore(self, model_id: str, row: bytes) -> FakeTwin:
        self.model_hash(model_id)
        return FakeTwin.from_row(row)

    def model_hash(self, model_id: str) -> str:
        if model_id != MODEL:
            raise UnknownModel(f"model {model_id!r} is not in the library")
        return self.hash
