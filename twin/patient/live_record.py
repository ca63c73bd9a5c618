"""A patient's record as it comes in: the history, and what follows from it for one model, orders and timeline.

The timeline is built anew when an event changes it, but not for each dose given in order: those wait until the next
estimate, or building would cost ever more over years of them. A day of unchanged pump samples extends a timeline; then
it is rebuilt, so that a pump's silence is counted from its last report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from twin.clock import HOUR_MS
from twin.events import BadEvent, Clock, DoseGiven, InputEvent, PumpDelivery, Rejected, VitalSample, to_millis
from twin.kernel.kernel import Kernel
from twin.model.spec import OutputSpec
from twin.patient.fold import earliest
from twin.record.admission import admit
from twin.record.history import History, Insertion, Reading, SampleLine
from twin.record.orders import Orders
from twin.record.recording import FEVERED, insert_event, is_feverish, sample_rate, turns_clock, windows_of
from twin.solver.settling import settles
from twin.solver.step_control import needs_doses, step_sizes_for
from twin.timeline.difference import first_difference
from twin.timeline.observations import unmeasured
from twin.timeline.pumps.mismatch import Mismatch, newest
from twin.timeline.pumps.silence import Hypothesis, Open, silent_from
from twin.timeline.pumps.taking import Uncertain
from twin.timeline.pumps.taking import newest as newest_doses
from twin.timeline.timeline import Timeline, build

NEVER = 2**62
"""When nothing that is open is closed (ms)."""

REBUILD_MS = 24 * HOUR_MS
"""Age at which a timeline of a patient with pump samples is rebuilt."""


Due = Callable[[], int | None]
"""When (ms) there is something to publish next, as the timeline stands: asked where it matters."""


class Quiet(NamedTuple):
    """Times (ms), both left out, between which a reading that is repeated changes nothing but the record."""

    after: int
    before: int


class Repeated(msgspec.Struct, frozen=True):
    """A reading in canonical units, its time (ms), and the rate (mg/h) that a pump's sample tells."""

    reading: Reading
    millis: int
    rate: float | None


@dataclass(frozen=True)
class Received:
    """What some events change.

    Attributes:
        since: earliest time (ms) from which the belief may differ, ``None`` for none.
        contact: earliest time (ms) from which only a late report of a device is new to the rules.
        rejected: events that could not be used.
    """

    since: int | None
    contact: int | None
    rejected: tuple[Rejected, ...]


class LiveRecord:
    """The record of one patient, for one model (see the module docstring).

    Attributes:
        history: every fact, whatever the order of arrival.
        orders: plans and device bindings.
        timeline: what the model needs of the history; ``None`` while it holds nothing that matters to the model.
        step_sizes: those that suit the record; where they change, all of it is to be solved again.
    """

    def __init__(self, patient_id: str, kernel: Kernel, history: History | None = None) -> None:
        self.history = History() if history is None else history
        self.orders = Orders(self.history)
        self.timeline: Timeline | None = None
        self._patient_id = patient_id
        self.step_sizes = step_sizes_for(kernel)
        self._kernel = kernel
        self._built = 0
        self._waiting = False
        self._windows = windows_of(kernel.model)
        self._closing: int = NEVER
        self._gone: set[tuple[int, int]] = set()
        self._accounts: dict[Hypothesis, Timeline] = {}
        self._rebuild(None)

    @property
    def newest(self) -> int | None:
        """Time (ms) of the newest event; where it is one of several of its instant, when the last of them is met."""
        newest = self.history.newest
        return newest if newest is None or self.timeline is None else max(newest, self.timeline.latest)

    def receive(self, events: Sequence[InputEvent], folded: int | None, due: Due) -> Received:
        """Take events in, in any order; what cannot be used is rejected and never raises.

        Args:
            events: of the patient.
            folded: how far (ms) the fold has come, ``None`` before its first point.
            due: see `Due`.
        """
        rejected: list[Rejected] = []
        inserted: list[tuple[Insertion, InputEvent]] = []
        for event in events:
            try:
                inserted.append((self._insert(event), event))
            except BadEvent as bad:
                rejected.append(
                    Rejected(reason=bad.reason, detail=bad.detail, patient_id=event.patient_id, event_id=event.event_id)
                )
        waits = not needs_doses(self._kernel)
        since = earliest(i.since for i, event in inserted if not (waits and _can_wait(i, event, folded)))
        contact = earliest(insertion.contact for insertion, _ in inserted)
        self._waiting |= any(insertion.since is not None for insertion, _ in inserted)
        moved = any(insertion.delivery or self._restarts(event) for insertion, event in inserted)
        self._closing = min([self._closing, *(i.window for i, _ in inserted if i.window is not None)])
        moved |= self._closing <= (self.history.newest or 0)
        if since is not None or moved or self._is_stale(due):
            since = self._rebuild(since)
        return Received(since, contact, tuple(rejected))

    def quiet(self, after: int, due: int) -> Quiet:
        """When nothing is to be published or built anew, of a fold that stands at ``after`` with something next ``due``
        (ms)."""
        until = min(due, self._built + REBUILD_MS) if self.history.samples else due
        newest = self.newest
        return Quiet(after, until if newest is None or newest < until else after)

    def repeated(self, event: InputEvent, millis: int, quiet: Quiet) -> Repeated | None:
        """An event of ``millis`` as it is to be kept, if it is a reading of a ``quiet`` time and changes nothing but
        the record."""
        if not quiet.after < millis < quiet.before or not isinstance(event, Reading):
            return None
        history = self.history
        if event.patient_id != self._patient_id or history.knows(event.event_id):
            return None
        if not history.holding.goes_on_with(millis) or (self._windows and not self._stays_open(event, millis)):
            return None
        try:
            reading = admit(event, self._kernel.model, settles)
        except BadEvent:
            return None
        if isinstance(reading, VitalSample):
            if reading.channel == FEVERED and is_feverish(reading):
                return None
            if reading.clock_behind is not None and turns_clock(reading, millis, history.clocks):
                return None
            return Repeated(reading, millis, None)
        if isinstance(reading, Clock):
            return Repeated(reading, millis, None)
        assert isinstance(reading, PumpDelivery), "there is no other reading"
        rate = sample_rate(reading)
        return Repeated(reading, millis, rate) if rate is not None and self._goes_on(reading, millis, rate) else None

    def keep(self, repeated: Repeated) -> None:
        """Take in what is only `repeated`."""
        reading, millis, windows = repeated.reading, repeated.millis, self._windows
        self.history.repeat(reading, millis, repeated.rate, windows)
        if windows and isinstance(reading, VitalSample) and reading.channel in windows:
            self._closing = min(self._closing, self.history.readings[reading.channel].end_of(millis))

    def up_to_date(self) -> Timeline:
        """The timeline, with doses that waited.

        Raises:
            ValueError: the history holds nothing that matters to the model.
        """
        if self._waiting:
            self._rebuild(None)
        if self.timeline is None:
            raise ValueError(f"the record of {self._patient_id!r} holds nothing that a belief could rest on")
        return self.timeline

    def unmeasured(self, millis: int) -> tuple[OutputSpec, ...]:
        """Outputs of which a value was told of ``millis``, or summed up readings there, and none counts."""
        gone = {one for one in self._gone if one[0] == millis}
        self._gone -= gone
        counted = () if self.timeline is None else self.timeline.observations
        return unmeasured(self.history, counted, self._kernel.model, millis, [number for _, number in sorted(gone)])

    def fever_turn(self, after: int) -> tuple[int, ...]:
        """The first time (ms) after another at which a fever is a reason to look; none if there is none."""
        found = self.history.fevers.turn(after, self.history.holding.now)
        return () if found is None else (found,)

    def fever_turns(self) -> set[int]:
        """Times (ms) at which a fever is a reason to look."""
        return self.history.fevers.turns(self.history.holding.now)

    def silent(self, millis: int) -> tuple[Open, ...]:
        """Channels that are silent at ``millis``, whose next word nobody told yet."""
        return tuple(one for one in self.opens() if one.since < millis)

    def opens(self) -> tuple[Open, ...]:
        """Channels that ran when they were last heard, as they are heard now."""
        if self.timeline is None:
            return ()
        told = [one for drug in self.timeline.delivered.values() for one in drug.opens]
        if not told:
            return ()
        lines = self.history.counted_samples()
        return tuple(_heard(one, lines.get((one.device, one.drug))) for one in told)

    def mismatch(self, millis: int) -> Mismatch | None:
        """The newest stretch of which it is in doubt when something went in, if that matters at ``millis``."""
        found = self.doubt()
        return found if found is not None and found.in_doubt(millis) else None

    def doubt(self) -> Mismatch | None:
        """The newest stretch of which it is in doubt when something went in, as the timeline stands."""
        if self.timeline is None:
            return None
        return newest(one for drug in self.timeline.delivered.values() for one in drug.doubts)

    def uncertain(self) -> tuple[Uncertain, ...]:
        """The newest doses that may not have been taken, the oldest first, as the timeline stands."""
        if self.timeline is None:
            return ()
        return newest_doses(one for drug in self.timeline.delivered.values() for one in drug.uncertain)

    def account(self, assumed: Hypothesis) -> Timeline:
        """The timeline if a hypothesis is true; it begins when the record does, whatever was delivered by then."""
        if assumed not in self._accounts:
            assert self.timeline is not None, "something is in doubt, so that there is a record"
            found = build(self.history, self._kernel, assumed, self.timeline.start)
            assert found is not None, "the record has begun"
            self._accounts[assumed] = found
        return self._accounts[assumed]

    def hear(self, millis: int) -> None:
        """Build the timeline anew where a channel that is silent at ``millis`` was heard since it was built."""
        if self.timeline is None or not self.silent(millis):
            return
        built = {one for drug in self.timeline.delivered.values() for one in drug.opens}
        if any(one.since < millis for one in built.symmetric_difference(self.opens())):
            self._rebuild(None)

    def _stays_open(self, event: Reading, millis: int) -> bool:
        """Whether no window is closed by an event, or was when the reading that it tells was taken."""
        if millis >= self._closing:
            return False
        if not isinstance(event, VitalSample) or event.channel not in self._windows:
            return True
        length = self._windows[event.channel]
        return event.replaces is None and (millis // length + 1) * length > (self.history.newest or 0)

    def _goes_on(self, event: PumpDelivery, millis: int, rate: float) -> bool:
        """Whether a periodic report says only that the pump still runs, or stands, as it did."""
        return self.history.is_repeated(event, millis, rate) and not self._restarts(event)

    def _restarts(self, event: InputEvent) -> bool:
        """Whether a pump speaks of which the counter tells that it stands."""
        if not isinstance(event, PumpDelivery) or self.timeline is None:
            return False
        source = self.timeline.delivered.get(event.drug)
        return source is not None and source.stands(event.device_id, to_millis(event.time))

    def _insert(self, event: InputEvent) -> Insertion:
        if event.patient_id != self._patient_id:
            raise BadEvent("wrong_patient", f"field 'patient_id': this is the twin of {self._patient_id!r}")
        return insert_event(self.history, event, self._kernel.model, settles)

    def _is_stale(self, due: Due) -> bool:
        """Whether the timeline lacks what is needed now: doses that waited until now, or a day of samples."""
        newest = self.newest
        if self.timeline is None or newest is None:
            return False
        if self.history.samples and newest >= self._built + REBUILD_MS:
            return True
        return self._waiting and (next_due := due()) is not None and next_due <= newest

    def _rebuild(self, since: int | None) -> int | None:
        """Build the timeline anew; the earliest time from which anything may differ from before."""
        old = self.timeline
        self.timeline = build(self.history, self._kernel)
        self.orders = Orders(self.history, self.orders)
        self._built = self.history.newest or 0
        open_ends = (windows.closing_after(self._built) for windows in self.history.readings.values())
        self._closing = min((end for end in open_ends if end is not None), default=NEVER)
        self._waiting = False
        self._accounts = {}
        if self.timeline is None:
            return since if old is None else earliest((since, old.start))
        step_sizes = step_sizes_for(self._kernel, self.timeline.delivered)
        if old is None or step_sizes != self.step_sizes:
            self.step_sizes = step_sizes
            return earliest((since, self.timeline.start))
        since = earliest((since, first_difference(old, self.timeline)))
        if self._windows and since is not None:  # a late reading moves the time that its window stands at
            self._gone |= old.summed_up(since) - self.timeline.summed_up(since)
        return since


def _heard(told: Open, line: SampleLine | None) -> Open:
    """An open channel, with what it has repeated since."""
    if line is None or not line.times:
        return told
    last = max(told.last, line.times[-1])
    return told._replace(last=last, since=silent_from(last, line.times))


def _can_wait(insertion: Insertion, event: InputEvent, folded: int | None) -> bool:
    """Whether the timeline may stay until the next estimate: a dose given at once, after all that is folded."""
    if insertion.since is None:
        return True
    plain = isinstance(event, DoseGiven) and event.duration is None and event.status == "final" and event.taken is None
    return plain and folded is not None and insertion.since > folded
