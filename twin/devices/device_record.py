"""The record of one device, and the events of patients that follow from it.

Which facts stand at which patient is a function of the record: a word is the patient's to whom the device was bound at
its corrected time, and nobody's while none or several are. What was told before is told again only where it changed:
corrected at the same patient, retracted at one whose it is no more. An event's id is made of the word's, the patient's
and how often it was told, so that a replay repeats the same events.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twin.clock import MINUTE_MS
from twin.devices.bindings import Bindings, standing
from twin.devices.clock import DeviceClock, Reading
from twin.devices.words import DeviceWord, Fact
from twin.events import ClinicalEnvelope, DeviceAssociation, PumpDelivery, event_id, from_millis, to_millis

_SAID = ("delivery_status", "rate", "programmed_rate", "concentration", "not_delivering_reason")

REPEAT_MS = 5 * MINUTE_MS
"""Unchanged samples of a pump are told once in so long: no silence that a twin could see comes of it."""


class Waiting(NamedTuple):
    """A word that is nobody's yet: its time (ms) by a right clock, and the patients who contest it, if any."""

    word: DeviceWord
    millis: int
    contested: tuple[str, ...]


class _Told(NamedTuple):
    """What was told last of a word at a patient: the ``number``-th event, which ``stands`` or was retracted."""

    event: Fact
    number: int
    stands: bool


class DeviceRecord:
    """Everything that was said by one device and of its bindings, in any order and however often."""

    def __init__(self, device_id: str) -> None:
        self.device_id = device_id
        self._words: dict[str, DeviceWord] = {}
        self._bindings: dict[str, DeviceAssociation] = {}
        self._told: dict[tuple[str, str], _Told] = {}

    def add(self, said: DeviceWord | DeviceAssociation) -> None:
        """Take a word or a binding into the record; of repetitions, which share their id, the earliest arrival counts.

        Raises:
            ValueError: of another device.
        """
        device = said.device_id if isinstance(said, DeviceAssociation) else said.event.device_id
        if device != self.device_id:
            raise ValueError(f"field 'device_id' {device!r}: this is the record of {self.device_id!r}")
        if isinstance(said, DeviceAssociation):
            known = self._bindings.setdefault(said.event_id, said)
            self._bindings[said.event_id] = min(known, said, key=lambda one: one.model_dump_json())
        else:
            name = said.event.event_id
            first = self._words.setdefault(name, said)
            self._words[name] = min(first, said, key=lambda one: (one.received_at, one.event.model_dump_json()))

    @property
    def clock(self) -> DeviceClock:
        """How far the device's clock is off."""
        return DeviceClock(map(_reading, self._words.values()))

    def facts(self) -> dict[tuple[str, str], Fact]:
        """What stands, by word and patient: with the patient's id, the corrected time and no history.

        A pump's periodic samples can be neither corrected nor retracted at a patient, so each is told as the beginning
        of a segment, which delivers the same; those that repeat the word before them within `REPEAT_MS` are left out.
        """
        placed = ((word, millis, patients[0]) for word, millis, patients in self._placed() if len(patients) == 1)
        found: dict[tuple[str, str], Fact] = {}
        before: dict[tuple[str, str], PumpDelivery] = {}
        for word, millis, patient in sorted(placed, key=lambda one: (one[1], one[0].event.event_id)):
            fact = _of_patient(word.event, patient, millis)
            if isinstance(fact, PumpDelivery):
                last, before[patient, fact.drug] = before.get((patient, fact.drug)), fact
                if last is not None and _repeats(fact, last):
                    continue
                if fact.phase == "sample":
                    fact = fact.model_copy(update={"phase": "start"})
            found[word.event.event_id, patient] = fact
        return found

    def waiting(self) -> list[Waiting]:
        """Words that stand and are nobody's, in order of time."""
        found = [Waiting(*placed) for placed in self._placed() if len(placed[2]) != 1]
        return sorted(found, key=lambda one: (one.millis, one.word.event.event_id))

    def changes(self) -> list[ClinicalEnvelope]:
        """Events by which the patients come to know what stands now, after all that earlier calls returned.

        Retractions come first, then the rest in order of time.
        """
        stands = self.facts()
        gone = [key for key, told in self._told.items() if told.stands and key not in stands]
        changed = [self._retracted(key) for key in sorted(gone)]
        for key, fact in sorted(stands.items(), key=lambda item: (item[1].time, item[0])):
            changed.extend(self._tell(key, fact))
        return changed

    def _retracted(self, key: tuple[str, str]) -> ClinicalEnvelope:
        told = self._told[key]
        retraction = _revised(told.event, event_id("device", *key, told.number + 1), "retracted", told.event.event_id)
        self._told[key] = _Told(retraction, told.number + 1, stands=False)
        return retraction

    def _tell(self, key: tuple[str, str], fact: Fact) -> Iterator[ClinicalEnvelope]:
        told = self._told.get(key)
        number = 0 if told is None else told.number + 1
        name = event_id("device", *key, number)
        if told is None or not told.stands:
            event = _revised(fact, name, "final", None)
        elif _revised(told.event, fact.event_id, "final", None) != fact:
            event = _revised(fact, name, "corrected", told.event.event_id)
        else:
            return
        self._told[key] = _Told(event, number, stands=True)
        yield event

    def _placed(self) -> Iterator[tuple[DeviceWord, int, tuple[str, ...]]]:
        """Words that stand, with their corrected time (ms) and those to whom the device was bound."""
        clock, bindings = self.clock, Bindings(self._bindings.values())
        for event in standing(word.event for word in self._words.values()):
            word = self._words[event.event_id]
            millis = clock.corrected(_reading(word))
            yield word, millis, bindings.holders(millis)


def _repeats(sample: PumpDelivery, last: PumpDelivery) -> bool:
    """Whether a sample says what the word before it said, in the same stretch of `REPEAT_MS`."""
    same = all(getattr(sample, name) == getattr(last, name) for name in _SAID)
    stretch = to_millis(sample.time) // REPEAT_MS == to_millis(last.time) // REPEAT_MS
    return sample.phase == "sample" and last.phase in ("start", "sample") and same and stretch


def _reading(word: DeviceWord) -> Reading:
    return Reading(to_millis(word.received_at), to_millis(word.event.time))


def _of_patient(fact: Fact, patient_id: str, millis: int) -> Fact:
    moved = {} if millis == to_millis(fact.time) else {"time": from_millis(millis)}
    plain = {"patient_id": patient_id, "status": "final", "replaces": None}
    return fact.model_copy(update=plain | moved)


def _revised(fact: Fact, name: str, status: str, replaces: str | None) -> Fact:
    return fact.model_copy(update={"event_id": name, "status": status, "replaces": replaces})
