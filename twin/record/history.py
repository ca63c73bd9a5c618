"""What is known about one patient, in event time, whatever the order of arrival.

The history is the truth of which every belief is a cache. Facts that matter singly (doses, levels, counts, covariates,
plans, starts and stops of a pump) are kept whole and for ever; what a device repeats (pump samples, readings that
observe an output, fevers, what is said of a wearable's clock) is kept as compact columns, so that a long history stays
small; of other readings it is known that there was one. Two histories that were told the same events are equal, in any
order of telling.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from twin.clock import HOUR_MS
from twin.events import (
    AdviceRequested,
    AlertAction,
    ClinicalEnvelope,
    Clock,
    InputEvent,
    PumpDelivery,
    PumpTotals,
    Release,
    VitalSample,
    encode,
    share_names,
    to_millis,
)
from twin.record.contact import DeviceContact
from twin.record.corrections import Corrections, Superseded, micros_of
from twin.record.facts import UNORDERED, ClinicalEvent, Key, key_of
from twin.record.held.holding import NOTHING, HeldNow, Holding
from twin.record.readings.clocks import Clocks
from twin.record.readings.fevers import Fevers
from twin.record.readings.windows import ReadingWindows, rank_of
from twin.record.resting.fact_table import FactTable
from twin.record.resting.recent_ids import pack_ids, unpack_ids

Reading = VitalSample | Clock | PumpDelivery
"""What is told over and over: readings, the passing of time, and a pump's periodic samples."""

_OfDevice = VitalSample | PumpDelivery | PumpTotals

OfPeople = Release | AlertAction | AdviceRequested
"""What people say of the record itself and of alerts, and what they ask."""

RECENT_IDS = 512
"""Ids of repeated device events are remembered for this many events, to tell a repeat from a conflict."""

Said = TypeVar("Said", AlertAction, AdviceRequested)

NO_WINDOWS: Mapping[str, int] = {}
"""Of a model that no readings observe."""

HOLD_MS = 72 * HOUR_MS
"""Longest time for which a rate holds of a pump that only says START and STOP, before it is taken to be silent (longer
than any planned chemotherapy infusion of one bag)."""


class Insertion(NamedTuple):
    """What telling one event did: nothing new, a conflict with what was told before, or a change.

    Attributes:
        since: event time from which beliefs or plans may differ; ``None`` when only the present moved on.
        delivery: the course of a delivered rate may differ: hold the timeline against the one before.
        contact: event time from which only the silence of a device, the age of its last word or its clock is judged
            otherwise.
        window: when the window of a reading that came, or came to count no more, is closed (`twin.record.readings`).
    """

    outcome: Literal["new", "duplicate", "conflict", "orphan"]
    since: int | None = None
    detail: str = ""
    delivery: bool = False
    contact: int | None = None
    window: int | None = None


@dataclass(slots=True)
class SampleLine:
    """Periodic reports of one pump channel for one drug: times (ms) and rates (mg/h), sorted by time."""

    times: array[int] = field(default_factory=lambda: array("q"))
    rates: array[float] = field(default_factory=lambda: array("d"))

    def insert(self, millis: int, rate: float, starts_and_stops: list[int]) -> Insertion:
        """Add a report; ``starts_and_stops`` are the times (ms, sorted) of the channel's other words."""
        at = bisect_left(self.times, millis)
        if at < len(self.times) and self.times[at] == millis:
            if self.rates[at] == rate:
                return Insertion("duplicate")
            return Insertion("conflict", detail=f"rate {rate} mg/h at a time already reported as {self.rates[at]} mg/h")
        self.times.insert(at, millis)
        self.rates.insert(at, rate)
        before = self.times[at - 1] if at else millis
        # A pump that starts or stops speaks louder than its samples: the first sample after that may say something.
        spoke_since = bisect_right(starts_and_stops, millis) > bisect_left(starts_and_stops, before)
        repeats = at > 0 and self.rates[at - 1] == rate and not spoke_since
        if at + 1 < len(self.times):
            held = self.times[at + 1] - before <= HOLD_MS
        else:  # The word that follows may have been retracted: who knows how long the rate is held without it.
            held = bisect_right(starts_and_stops, millis) == len(starts_and_stops)
        return Insertion("new", delivery=not (repeats and held))

    def goes_on_with(self, millis: int, rate: float, starts_and_stops: list[int]) -> bool:
        """Whether a report in order says again what the last one said, and nothing was said in between."""
        if not self.times or millis <= self.times[-1] or rate != self.rates[-1]:
            return False
        return not starts_and_stops or starts_and_stops[-1] < self.times[-1]

    def without(self, held: HeldNow) -> SampleLine:
        """The reports that count."""
        kept = [(m, r) for m, r in zip(self.times, self.rates, strict=True) if not held.covers(m)]
        return SampleLine(array("q", (m for m, _ in kept)), array("d", (r for _, r in kept)))


class History:
    """All a patient's facts (see the module docstring). Mutable; owned by one `twin.patient.twin.PatientTwin`.

    ``ordered`` says whether any fact has a sequence number, ``holding`` what does not count until more is known;
    ``acted`` are ids of what people did about alerts, ``asked`` of what they asked, as they were told.
    """

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.facts = FactTable()
        self.corrections = Corrections()
        self.samples: dict[tuple[str, str], SampleLine] = {}
        self.spoken: dict[tuple[str, str], list[int]] = {}
        self.readings: dict[str, ReadingWindows] = {}
        self.fevers = Fevers()
        self.clocks = Clocks()
        self.contact: dict[str, DeviceContact] = {}
        self.holding = Holding(self.keys, self.facts, self.corrections.superseded, self.contact)
        self.recent: dict[str, bytes] = {}
        self.reported = 0
        self.ordered = False
        self.acted: list[str] = []
        self.asked: list[str] = []

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Asked for what a history at rest does not have (see `rest`): it comes back as it was.
            packed = self.__dict__.pop("_packed", None) if name == "recent" else None
            if packed is None:
                raise AttributeError(f"a history has no {name!r}")
            self.recent = unpack_ids(packed)
            return self.recent

    def rest(self) -> None:
        """Take less memory until the next event is told."""
        self.facts.rest()
        if "recent" in vars(self):
            vars(self)["_packed"] = pack_ids(self.recent)
            del self.recent

    @property
    def newest(self) -> int | None:
        """Time (ms) of the newest event that is not held."""
        return self.holding.newest

    @property
    def superseded(self) -> set[str]:
        """Ids of facts that another stands in place of."""
        return self.corrections.superseded

    def insert(
        self,
        event: InputEvent,
        sample_rate: float | None = None,
        asked: str | None = None,
        windows: Mapping[str, int] = NO_WINDOWS,
    ) -> Insertion:
        """Tell one event.

        Never raises for a well-formed event: a conflict or an orphaned correction is returned, and changes nothing.

        Args:
            event: as it was admitted.
            sample_rate: a pump sample's rate in mg/h, converted at the boundary.
            asked: why a fact is held until it is released.
            windows: channels whose readings observe an output, with the length (ms) of their windows.
        """
        known = self._known(event)
        if known is not None:
            return known
        millis, held, newest = to_millis(event.time), self.holding.now, self.newest
        late = newest is not None and millis <= newest
        if windows and isinstance(event, VitalSample) and event.channel in windows:
            outcome = self._place_reading(event, millis, windows[event.channel])
            if outcome.outcome == "new":
                self._remember(event)
        else:
            outcome = self._place(event, millis, sample_rate)
        if outcome.outcome != "new":
            return outcome
        if asked is not None:
            self.holding.asked[event.event_id] = asked
        spoke = self._hear(event, millis)
        outcome = self._as_held(event, outcome, held)
        # What was judged at that moment or later was judged without this word: a silence, the freshness of a rate.
        told_late = late and not self.holding.now.covers(millis)
        judged = told_late and (spoke is not None or isinstance(event, PumpDelivery))
        times = [millis] if judged else []
        turned = self._note_clock(event, millis)
        times += [turned] if turned is not None and newest is not None and turned <= newest else []
        return outcome._replace(contact=min(times)) if times else outcome

    def knows(self, event_id: str) -> bool:
        """Whether an event of this id was told: a fact, or one of the newest `RECENT_IDS` that devices repeat."""
        return event_id in self.facts.ids or event_id in self.recent

    def is_repeated(self, event: PumpDelivery, millis: int, rate: float) -> bool:
        """Whether a periodic sample only says again what the pump channel said last."""
        channel = event.device_id, event.drug
        line = self.samples.get(channel)
        final = event.status not in ("corrected", "retracted")
        return final and line is not None and line.goes_on_with(millis, rate, self.spoken.get(channel, []))

    def repeat(self, event: Reading, millis: int, sample_rate: float | None, windows: Mapping[str, int]) -> None:
        """Tell what is not known, changes nothing of a delivery and lets nothing be held: `insert` without a look.

        Args:
            event: as it was admitted.
            millis: its time.
            sample_rate, windows: as for `insert`.
        """
        if isinstance(event, VitalSample):  # first, for nearly all are
            if windows and event.channel in windows:
                self._place_reading(event, millis, windows[event.channel])
            self._contact_of(event.device_id).insert(millis)
            if event.clock_behind is not None:
                self._note_clock(event, millis)
        elif isinstance(event, PumpDelivery):
            line = self.samples[event.device_id, event.drug]
            line.times.append(millis)
            line.rates.append(0.0 if sample_rate is None else sample_rate)
            self._contact_of(event.device_id).insert(millis)
        self._remember(event)
        self.reported += 1
        self.holding.go_on(millis)

    def effective(self, after: int | None = None, until: int | None = None) -> Iterator[tuple[int, ClinicalEvent]]:
        """Facts of the patient that count, in event-time order: not corrected, retracted or held, nor retractions.

        With ``after`` and ``until`` (ms) those alone that are later than the one and not later than the other. What
        people say of the record itself and of alerts, and what they ask, is none.
        """
        some_held = self.holding.now != NOTHING
        keys = self.keys
        if after is not None or until is not None:
            first = 0 if after is None else bisect_right(keys, after, key=lambda key: key.millis)
            last = len(keys) if until is None else bisect_right(keys, until, key=lambda key: key.millis)
            keys = keys[first:last]
        for key in keys:
            fact = self.facts[key.event_id]
            if isinstance(fact, Superseded) or key.event_id in self.superseded or fact.status == "retracted":
                continue
            if not (some_held and self.holding.holds(fact)) and not isinstance(
                fact, Release | AlertAction | AdviceRequested
            ):
                yield key.millis, fact

    def actions(self) -> tuple[AlertAction, ...]:
        """What people did about alerts and counts, in event-time order."""
        return self._counting(self.acted, AlertAction)

    def requests(self) -> tuple[AdviceRequested, ...]:
        """What people ask and still counts, in event-time order."""
        return self._counting(self.asked, AdviceRequested)

    def until(self, millis: int) -> History:
        """The facts of up to then (ms) alone, without what devices repeat."""
        found = History()
        for key in self.keys[: bisect_right(self.keys, millis, key=lambda key: key.millis)]:
            fact = self.facts[key.event_id]
            if isinstance(fact, Superseded):
                found.add_superseded(fact)
            else:
                found.add_fact(fact)
        found.holding.asked.update(self.holding.asked)
        found.holding.judge()
        return found

    def counted_samples(self) -> dict[tuple[str, str], SampleLine]:
        """Periodic reports that are not held, by device and drug."""
        held = self.holding.now
        return {of: line.without(held) for of, line in self.samples.items()} if held.far else self.samples

    def add_fact(self, fact: ClinicalEvent) -> int:
        """Put a fact in its place; the earliest time (ms) of all that correct one another with it."""
        share_names(fact)
        self.facts[fact.event_id] = fact
        insort(self.keys, key_of(fact))
        self.ordered |= fact.sequence is not None
        self.holding.add_fact(fact)
        if isinstance(fact, AlertAction):
            self.acted.append(fact.event_id)
        if isinstance(fact, AdviceRequested):
            self.asked.append(fact.event_id)
        if isinstance(fact, PumpDelivery):
            insort(self.spoken.setdefault((fact.device_id, fact.drug), []), to_millis(fact.time))
        return self.corrections.add(fact)

    def add_superseded(self, fact: Superseded) -> None:
        """Put in its place what a row holds of a fact that never counts again."""
        self.facts[fact.event_id] = fact
        millis = to_millis(fact.time)
        insort(self.keys, Key(millis, fact.sequence, fact.rank, fact.subject, fact.value, fact.event_id))
        self.ordered |= fact.sequence != UNORDERED
        if any(fact.channel):
            insort(self.spoken.setdefault(fact.channel, []), millis)
        self.corrections.add(fact)

    def compact(self) -> tuple[list[bytes], list[Superseded]]:
        """Every fact as `twin.events.encode` gives it, and of those that never count again what must be known; each in
        event-time order."""
        keys = {key.event_id: key for key in self.keys}
        for key in (keys[event_id] for event_id in self.superseded if event_id in keys):
            fact = self.facts[key.event_id]
            if not isinstance(fact, Superseded):
                channel = (fact.device_id, fact.drug) if isinstance(fact, PumpDelivery) else ("", "")
                place = micros_of(fact.time), *key[1:5]
                self.facts[key.event_id] = Superseded(key.event_id, *place, fact.replaces or "", _digest(fact), channel)
        texts, left = self.facts.encoded(), [self.facts.ids[event_id] for event_id in keys]
        return (
            [texts[event_id] for event_id, fact in zip(keys, left, strict=True) if not isinstance(fact, Superseded)],
            [fact for fact in left if isinstance(fact, Superseded)],
        )

    def _counting(self, ids: Iterable[str], kind: type[Said]) -> tuple[Said, ...]:
        """Those of these facts that count, in event-time order."""
        facts = [fact for event_id in ids if isinstance(fact := self.facts[event_id], kind)]
        return tuple(sorted((f for f in facts if self.holding.stands(f) and not self.holding.holds(f)), key=key_of))

    def _as_held(self, event: InputEvent, outcome: Insertion, before: HeldNow) -> Insertion:
        """What telling an event did, now that it is known what was held ``before`` and what is."""
        since, now = outcome.since, self.holding.now
        if isinstance(event, AlertAction):
            since = None
        elif isinstance(event, ClinicalEnvelope) and event.replaces is None:
            since = None if isinstance(event, Release) or self.holding.holds(event) else since
        if now.far and isinstance(event, PumpDelivery):
            # A report was compared with those beside it, which may be held.
            outcome = outcome._replace(delivery=not now.covers(to_millis(event.time)))
        times = self.holding.changed_since(before, event)
        return outcome._replace(since=min(times if since is None else (since, *times), default=None))

    def _hear(self, event: InputEvent, millis: int) -> int | None:
        """Note that something was told at ``millis``; since when a device's silence may now be judged otherwise."""
        self.reported += 1
        spoke = None
        if isinstance(event, _OfDevice):
            spoke = self._contact_of(event.device_id).insert(millis)
            self.holding.tell(millis)
        elif not isinstance(event, Release):
            self.holding.tell(millis)
        self.holding.judge()
        return spoke

    def _note_clock(self, event: InputEvent, millis: int) -> int | None:
        """Note what a reading says of its device's clock; since when (ms) that is judged otherwise."""
        if not isinstance(event, VitalSample) or event.clock_behind is None:
            return None
        times = []
        if event.status != "retracted":
            said = event.device_id, rank_of(event.event_id), millis, event.clock_behind.value
            times.append(self.clocks.insert(*said))
        if event.replaces is not None:
            times.append(self.clocks.take_back(rank_of(event.replaces)))
        return min((time for time in times if time is not None), default=None)

    def _contact_of(self, device_id: str) -> DeviceContact:
        contact = self.contact.get(device_id)
        if contact is None:
            contact = self.contact[device_id] = DeviceContact()
        return contact

    def _known(self, event: InputEvent) -> Insertion | None:
        if event.event_id in self.facts.ids:
            fact = self.facts[event.event_id]
            same = fact.digest == _digest(event) if isinstance(fact, Superseded) else fact == event
            return _repeat(same, event.event_id)
        digest = self.recent.get(event.event_id)
        return None if digest is None else _repeat(digest == _digest(event), event.event_id)

    def _place(self, event: InputEvent, millis: int, sample_rate: float | None) -> Insertion:
        if not isinstance(event, ClinicalEvent):
            self._remember(event)
            return Insertion("new")
        if isinstance(event, PumpDelivery) and event.phase == "sample":
            if event.status in ("corrected", "retracted"):
                return Insertion("orphan", detail="a periodic pump sample cannot be corrected; send start or stop")
            line = self.samples.setdefault((event.device_id, event.drug), SampleLine())
            spoken = self.spoken.get((event.device_id, event.drug), [])
            outcome = line.insert(millis, 0.0 if sample_rate is None else sample_rate, spoken)
            if outcome.outcome == "new":
                self._remember(event)
            return outcome
        return self._place_fact(event, millis)

    def _place_reading(self, event: VitalSample, millis: int, length: int) -> Insertion:
        """Put a reading that observes an output into its window."""
        windows, begins = self.readings.setdefault(event.channel, ReadingWindows(length)), list[int]()
        if event.status != "retracted":
            changed = windows.insert(rank_of(event.event_id), millis, event.value.value)
            if changed is None:
                return _repeat(False, event.event_id)
            begins += [millis] if changed else []
        if event.replaces is not None:
            begin = windows.take_back(rank_of(event.replaces))
            begins += [] if begin is None else [begin]
        return Insertion("new", window=windows.end_of(min(begins)) if begins else None)

    def _place_fact(self, event: ClinicalEvent, millis: int) -> Insertion:
        if self.corrections.closes_circle(event):
            detail = f"field 'replaces': {event.replaces!r} is itself replaced by this event; name the fact it corrects"
            return Insertion("orphan", detail=detail)
        earliest = self.add_fact(event)
        return Insertion("new", millis if event.replaces is None else earliest)

    def _remember(self, event: InputEvent) -> None:
        recent = self.recent
        recent[event.event_id] = _digest(event)
        if len(recent) > RECENT_IDS:
            del recent[next(iter(recent))]


def _digest(event: InputEvent) -> bytes:
    return blake2b(encode(event), digest_size=8).digest()


def _repeat(same: bool, event_id: str) -> Insertion:
    if same:
        return Insertion("duplicate")
    return Insertion("conflict", detail=f"event_id '{event_id}' was told before with other content; give it a new id")
