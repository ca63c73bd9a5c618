"""The record of one device, and the events of patients that follow from it.

Which facts stand at which patient is a function of the record: a word is the patient's to whom the device was bound at
its corrected time, and nobody's while none or several are. What was told before is told again only where it changed:
corrected at the same patient, retracted at one whose it is no more. An event's id is made of the word's, the patient's
and how often it was told, so that a replay repeats the same events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from twin.clock import DAY_MS, MINUTE_MS
from twin.devices.bindings import Bindings, settled, standing
from twin.devices.clock import ClockEpoch, DeviceClock, Reading
from twin.devices.words import DeviceWord, Fact, device_of
from twin.events import (
    DeviceAlert,
    DeviceAssociation,
    PumpDelivery,
    Quantity,
    VitalSample,
    event_id,
    from_millis,
    to_millis,
)

_RIGHT_AGAIN = {"clock_behind": Quantity(value=0.0, unit="s")}

_SAID = ("delivery_status", "rate", "programmed_rate", "concentration", "not_delivering_reason")

REPEAT_MS = 5 * MINUTE_MS
"""Unchanged samples of a pump are told once in so long: no silence that a twin could see comes of it."""


LATE_MS = 7 * DAY_MS
"""What a device stored while it was out of reach may come so late and still find its binding (assumed)."""


class Placed(NamedTuple):
    """A word that stands: its time (ms) by a right clock, and to whom the device was bound then. It is nobody's where
    that is none, or several who contest it."""

    word: DeviceWord
    millis: int
    patients: tuple[str, ...]


class Told(NamedTuple):
    """What was told last of a word at a patient: the ``number``-th event, which ``stands`` or was retracted."""

    event: Fact
    number: int
    stands: bool


class Change(NamedTuple):
    """An event by which a patient comes to know what stands now of the word with this id."""

    word: str
    event: Fact


class Settled(NamedTuple):
    """Ids of the words and of the bindings that were dropped."""

    words: frozenset[str]
    bindings: frozenset[str]


class DeviceRecord:
    """What was said by one device and of its bindings, in any order and however often.

    It keeps everything until `settle` drops what is old. What was told of that stays at its patients as it is.

    Attributes:
        epoch: of the clock, in which the last word lay that was dropped.
        words, bindings, told: what it keeps, by id; what was told by the ids of word and patient.
    """

    def __init__(self, device_id: str, epoch: ClockEpoch | None = None) -> None:
        self.device_id = device_id
        self.epoch = epoch
        self.words: dict[str, DeviceWord] = {}
        self.bindings: dict[str, DeviceAssociation] = {}
        self.told: dict[tuple[str, str], Told] = {}
        self._seen: list[Placed] | None = None

    def add(self, said: DeviceWord | DeviceAssociation) -> None:
        """Take a word or a binding into the record; of repetitions, which share their id, the earliest arrival counts.

        Raises:
            ValueError: of another device.
        """
        device = device_of(said)
        if device != self.device_id:
            raise ValueError(f"field 'device_id' {device!r}: this is the record of {self.device_id!r}")
        self._seen = None
        if isinstance(said, DeviceAssociation):
            known = self.bindings.setdefault(said.event_id, said)
            self.bindings[said.event_id] = min(known, said, key=lambda one: one.model_dump_json())
        else:
            name = said.event.event_id
            first = self.words.setdefault(name, said)
            self.words[name] = min(first, said, key=lambda one: (one.received_at, one.event.model_dump_json()))

    @property
    def clock(self) -> DeviceClock:
        """How far the device's clock is off."""
        return DeviceClock(map(_reading, self.words.values()), self.epoch)

    def facts(self) -> dict[tuple[str, str], Fact]:
        """What stands, by word and patient: with the patient's id, the corrected time and no history.

        A pump's periodic samples can be neither corrected nor retracted at a patient, so each is told as the beginning
        of a segment, which delivers the same; those that repeat the word before them within `REPEAT_MS` are left out.
        A wearable's first sample after its clock was off says that it is right again.
        """
        found: dict[tuple[str, str], Fact] = {}
        before: dict[tuple[str, str], PumpDelivery] = {}
        off: dict[str, bool] = {}
        for word, millis, patients in self.placed():
            if len(patients) != 1:
                continue
            (patient,) = patients
            fact = _of_patient(word.event, patient, millis)
            if isinstance(fact, VitalSample):
                was_off, off[patient] = off.get(patient, False), fact.clock_behind is not None
                if was_off and not off[patient]:
                    fact = fact.model_copy(update=_RIGHT_AGAIN)
            if isinstance(fact, PumpDelivery):
                last, before[patient, fact.drug] = before.get((patient, fact.drug)), fact
                if last is not None and _repeats(fact, last):
                    continue
                if fact.phase == "sample":
                    fact = fact.model_copy(update={"phase": "start"})
            found[word.event.event_id, patient] = fact
        return found

    def waiting(self) -> list[Placed]:
        """Words that stand and are nobody's, in order of time."""
        return [placed for placed in self.placed() if len(placed.patients) != 1]

    def changes(self) -> list[Change]:
        """Events by which the patients come to know what stands now, after all that earlier calls returned.

        Retractions come first, then the rest in order of time.
        """
        stands = self.facts()
        gone = [key for key, told in self.told.items() if told.stands and key not in stands]
        changed = [self._retracted(key) for key in sorted(gone)]
        for key, fact in sorted(stands.items(), key=lambda item: (item[1].time, item[0])):
            changed.extend(self._tell(key, fact))
        return changed

    def settle(self, old: Iterable[str]) -> Settled:
        """Drop words of which everything was told, and what nothing says any more without them.

        With a word goes what it replaces, which else would stand again, and what only repeats it. The clock keeps the
        epoch that the last of them lay in; of the bindings those are dropped that ended `LATE_MS` before any word that
        the record had.
        """
        gone = self._with_dependents({name for name in old if name in self.words})
        if not gone:
            return Settled(frozenset(), frozenset())
        last = max(_reading(self.words[name]).arrival for name in gone)
        begun = [epoch for epoch in self.clock.epochs if epoch.first <= last]
        earliest = min((placed.millis for placed in self.placed()), default=None)
        ended = set() if earliest is None else settled(self.bindings.values(), earliest - LATE_MS)
        self.epoch = begun[-1] if begun else self.epoch
        self.words = {name: word for name, word in self.words.items() if name not in gone}
        self.told = {key: told for key, told in self.told.items() if key[0] not in gone}
        self.bindings = {name: one for name, one in self.bindings.items() if name not in ended}
        self._seen = None
        return Settled(frozenset(gone), frozenset(ended))

    def _with_dependents(self, gone: set[str]) -> set[str]:
        todo = list(gone)
        while todo:
            replaced = self.words[todo.pop()].event.replaces
            if replaced in self.words and replaced not in gone:
                gone.add(replaced)
                todo.append(replaced)
        told = {word for (word, _), one in self.told.items() if one.stands}
        led: set[tuple[str, str]] = set()  # patients and drugs of which a word stays that was told
        for word, _, patients in self.placed():
            name = word.event.event_id
            if name in gone or not isinstance(word.event, PumpDelivery) or len(patients) != 1:
                continue
            if name in told:
                led.add((patients[0], word.event.drug))
            elif (patients[0], word.event.drug) not in led:
                gone.add(name)
        return gone

    def _retracted(self, key: tuple[str, str]) -> Change:
        told = self.told[key]
        retraction = _revised(told.event, event_id("device", *key, told.number + 1), "retracted", told.event.event_id)
        self.told[key] = Told(retraction, told.number + 1, stands=False)
        return Change(key[0], retraction)

    def _tell(self, key: tuple[str, str], fact: Fact) -> Iterator[Change]:
        told = self.told.get(key)
        number = 0 if told is None else told.number + 1
        name = event_id("device", *key, number)
        if told is None or not told.stands:
            event = _revised(fact, name, "final", None)
        elif (corrected := _differing(_revised(told.event, fact.event_id, "final", None), fact)) is not None:
            event = _revised(corrected, name, "corrected", told.event.event_id)
        else:
            return
        self.told[key] = Told(event, number, stands=True)
        yield Change(key[0], event)

    def placed(self) -> list[Placed]:
        """Words that stand, in order of their corrected time."""
        if self._seen is None:
            clock, bindings = self.clock, Bindings(self.bindings.values())
            found = []
            for event in standing(word.event for word in self.words.values()):
                word = self.words[event.event_id]
                millis = clock.corrected(_reading(word))
                found.append(Placed(word, millis, bindings.holders(millis)))
            self._seen = sorted(found, key=lambda one: (one.millis, one.word.event.event_id))
        return self._seen


def _repeats(sample: PumpDelivery, last: PumpDelivery) -> bool:
    """Whether a sample says what the word before it said, in the same stretch of `REPEAT_MS`."""
    same = all(getattr(sample, name) == getattr(last, name) for name in _SAID)
    stretch = to_millis(sample.time) // REPEAT_MS == to_millis(last.time) // REPEAT_MS
    return sample.phase == "sample" and last.phase in ("start", "sample") and same and stretch


def _reading(word: DeviceWord) -> Reading:
    return Reading(to_millis(word.received_at), to_millis(word.event.time))


def _of_patient(fact: Fact, patient_id: str, millis: int) -> Fact:
    behind = millis - to_millis(fact.time)
    moved: dict[str, object] = {"time": from_millis(millis)} if behind else {}
    if behind and not isinstance(fact, DeviceAlert):
        moved["clock_behind"] = Quantity(value=behind / 1000, unit="s")
    plain = {"patient_id": patient_id, "status": "final", "replaces": None}
    return fact.model_copy(update=plain | moved)


def _differing(told: Fact, fact: Fact) -> Fact | None:
    """How a fact is told where another was told of its word; ``None`` where the two say the same.

    A sample by a right clock says nothing of it, and takes nothing back that was said: where that was that the clock is
    off, it says that it is right, and that it was right again stays told.
    """
    if isinstance(told, VitalSample) and isinstance(fact, VitalSample) and fact.clock_behind is None:
        fact = fact if told.clock_behind is None else fact.model_copy(update=_RIGHT_AGAIN)
    return None if told == fact else fact


def _revised(fact: Fact, name: str, status: str, replaces: str | None) -> Fact:
    return fact.model_copy(update={"event_id": name, "status": status, "replaces": replaces})
