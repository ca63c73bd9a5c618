"""Whose a device was at a time, from all that was said of its being bound and released.

A binding holds from its time until its patient's release, and neither ends another patient's: where two patients are
bound at once nobody can say whose the device was, and what it said then is neither's until one binding is corrected,
released or retracted. Only at the very end of a binding its patient may still be meant, if nobody else is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from twin.events import ClinicalEnvelope, DeviceAssociation, to_millis
from twin.record.corrections import Corrections


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``begin`` until before ``end`` (ms) a device is the patient's; without ``end`` until further notice."""

    patient_id: str
    begin: int
    end: int | None


class Bindings:
    """Of one device, as everything said so far has it, in whatever order it came."""

    def __init__(self, said: Iterable[DeviceAssociation]) -> None:
        by_patient: dict[str, list[DeviceAssociation]] = {}
        for one in sorted(standing(said), key=_place):
            by_patient.setdefault(one.patient_id, []).append(one)
        self.intervals = tuple(found for patient in sorted(by_patient) for found in _intervals(by_patient[patient]))

    def holders(self, millis: int) -> tuple[str, ...]:
        """Patients to whom the device is bound at a time (ms): one that it belongs to, or several that contest it."""
        inside = {i.patient_id for i in self.intervals if i.begin <= millis and (i.end is None or millis < i.end)}
        return tuple(sorted(inside or {i.patient_id for i in self.intervals if i.end == millis}))


def settled(said: Iterable[DeviceAssociation], millis: int) -> set[str]:
    """Ids of the words that say nothing of any time (ms) after that: of each patient, its last release until then, and
    all that lies before it."""
    words = sorted(said, key=_place)
    released = {
        one.patient_id: _place(one)
        for one in sorted(standing(words), key=_place)
        if not one.associated and to_millis(one.time) <= millis
    }
    return {one.event_id for one in words if one.patient_id in released and _place(one) <= released[one.patient_id]}


Told = TypeVar("Told", bound=ClinicalEnvelope)


def standing(told: Iterable[Told]) -> list[Told]:
    """What was neither corrected nor retracted, by the rule of a patient's record (`twin.record.corrections`)."""
    facts = sorted(told, key=lambda one: one.event_id)
    corrections = Corrections()
    taken = []
    for fact in facts:
        if not corrections.closes_circle(fact):  # what replaces itself in a circle is refused
            corrections.add(fact)
            taken.append(fact)
    return [one for one in taken if one.status != "retracted" and one.event_id not in corrections.superseded]


def _place(one: DeviceAssociation) -> tuple[int, int, bool, str]:
    # At one instant a release comes before a binding: the device changes hands.
    return to_millis(one.time), -1 if one.sequence is None else one.sequence, one.associated, one.event_id


def _intervals(words: list[DeviceAssociation]) -> Iterable[Interval]:
    """Intervals of one patient, whose words are in order of time."""
    begin: int | None = None
    for one in words:
        if one.associated and begin is None:
            begin = to_millis(one.time)
        elif not one.associated and begin is not None:
            yield Interval(one.patient_id, begin, to_millis(one.time))
            begin = None
    if begin is not None:
        yield Interval(words[0].patient_id, begin, None)
