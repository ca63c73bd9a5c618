"""The twin of one patient: a fold over the patient's event-time history.

    belief = fold(assimilate, history in event time)

`PatientTwin` keeps the history and a ladder of points the fold has passed. What is told in order moves the fold on;
what comes late, corrected or retracted sets it back to the newest point before the change, from where it is folded
again and says again what it then knows. So any order of arrival ends in the same belief, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin.alerts.ledger import AlertLedger, reconcile
from twin.alerts.lifecycle import AlertBook, Transition, advance, to_alert
from twin.alerts.rules import assess, settings
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.events import (
    Alert,
    BadEvent,
    Clock,
    DoseGiven,
    Estimate,
    Forecast,
    InputEvent,
    OutputEvent,
    Prediction,
    PumpDelivery,
    Rejected,
    VitalSample,
    to_millis,
)
from twin.filter.belief import Belief, prior
from twin.filter.learning import Assimilated, learn
from twin.filter.mode import Mode
from twin.filter.posthoc import posterior_mode
from twin.filter.trunk import Rhythm, Trunk, TrunkPosition
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.patient.checkpoints import POINTS_KEPT, Point, forget_clouds, ladder, resumable
from twin.patient.reading import Reader, Reading
from twin.patient.state_row import (
    ROW_VERSION,
    PointRow,
    TwinRow,
    UnreadableState,
    pack,
    pack_belief,
    pack_history,
    pack_nadir,
    unpack,
    unpack_belief,
    unpack_history,
    unpack_nadir,
)
from twin.record.history import History, Insertion
from twin.record.orders import Orders
from twin.record.recording import insert_event
from twin.solver.effects import width
from twin.solver.linear_system import individual_parameters
from twin.solver.settling import settles
from twin.timeline.covariates import widened
from twin.timeline.difference import first_difference
from twin.timeline.segments import ALWAYS, UNDIVIDED
from twin.timeline.timeline import Timeline, build

PARTICLES = 1000
"""Default size of the cloud."""

REBUILD_MS = 24 * HOUR_MS
"""A timeline that a day of unchanged pump samples has extended is rebuilt, so that silence is counted anew."""


@dataclass(frozen=True)
class Update:
    """What a twin says to some events: outputs in event-time order, and events it could not use."""

    outputs: tuple[OutputEvent, ...] = ()
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True)
class Received:
    """What taking events in did: from when on the fold and from when on the rules have to go over the history again
    (``None``: nowhere), and events that could not be used."""

    since: int | None
    contact: int | None
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class Step:
    """One step of the fold: what is said, transitions of alerts, values assimilated, and the reading."""

    said: tuple[Estimate | Forecast | Prediction, ...]
    transitions: tuple[Transition, ...]
    learned: tuple[Assimilated, ...]
    reading: Reading


@dataclass(frozen=True)
class Posterior:
    """The belief as arrays: eta (N, d), log_weight (N,), individual parameters (N, P), and the mode with covariance.

    ``eta`` is what lasts: with a drift as far as it has gone by now, without the effects of the present occasion, which
    the individual parameters have.
    """

    names: tuple[str, ...]
    eta: Floats
    log_weight: Floats
    parameter_names: tuple[str, ...]
    params: Floats
    mode: Mode


class PatientTwin:
    """One patient's twin (see the module docstring). Pure: no clock, and the same history gives the same bytes.
    What it writes to the user's cache folder, the compiled model, changes nothing but the time it takes.

    Args:
        patient_id: pseudonym; part of the key of all randomness.
        model: from `twin.load_model`.
        particles: size of the cloud.
        rhythm: how often the twin speaks; by default as the model file has it.
    """

    def __init__(self, patient_id: str, model: Model, particles: int = PARTICLES, rhythm: Rhythm | None = None) -> None:
        self.patient_id = patient_id
        self.model = model
        self.particles = particles
        self.history = History()
        self.points: list[Point] = []
        self.ledger = AlertLedger()
        self._trunk = Trunk(compile_model(model), patient_id, rhythm)
        self._reader = Reader(self._trunk)
        self._orders = Orders(self.history)
        self._timeline: Timeline | None = None
        self._built = 0
        self._waiting = False
        self._thinned_until = -(2**63)

    @property
    def belief(self) -> Belief:
        """The present belief; the population's while nothing was observed."""
        return self.points[-1].position.belief if self.points else self._population(self._timeline)

    @property
    def start(self) -> int | None:
        """The time (ms) of the first fact that matters to the model; ``None`` while there is none."""
        return None if self._timeline is None else self._timeline.start

    def observe(self, events: Sequence[InputEvent]) -> Update:
        """Tell the twin events, in any order; never raises for what they say (see `Update.rejected`)."""
        received = self.receive(events)
        again, since = self._judged_again(received)
        if since is not None:
            self.set_back(since)
        outputs = self._fold() if since is not None or self._passed() else ()
        return Update((*again, *outputs), received.rejected)

    def receive(self, events: Sequence[InputEvent]) -> Received:
        """Take events into the history, without folding them."""
        rejected: list[Rejected] = []
        inserted: list[tuple[Insertion, InputEvent]] = []
        for event in events:
            try:
                inserted.append((self._insert(event), event))
            except BadEvent as bad:
                rejected.append(
                    Rejected(reason=bad.reason, detail=bad.detail, patient_id=event.patient_id, event_id=event.event_id)
                )
        pressing = [insertion.since for insertion, event in inserted if not self._can_wait(insertion, event)]
        since = earliest(pressing)
        contact = earliest(insertion.contact for insertion, _ in inserted)
        self._waiting |= any(insertion.since is not None for insertion, _ in inserted)
        if since is not None or any(insertion.delivery for insertion, _ in inserted) or self._stale():
            since = self._rebuild(since)
        return Received(since, contact, tuple(rejected))

    def is_routine(self, event: InputEvent) -> bool:
        """Whether telling this event costs microseconds: a repeated reading before the next estimate is due."""
        if self._stale() or not isinstance(event, VitalSample | Clock | PumpDelivery):
            return False
        if isinstance(event, PumpDelivery):
            line = self.history.samples.get((event.device_id, event.drug))
            if event.phase != "sample" or line is None or to_millis(event.time) <= line.times[-1]:
                return False
        if self._timeline is None:
            return True
        newest = self.points[-1].millis if self.points else self._timeline.start - 1
        return to_millis(event.time) < self._due(newest, self._timeline)

    def row(self) -> bytes:
        """The twin's state; `from_row` gives back a twin that goes on to the same bytes."""
        kept = resumable(self.points)
        beliefs = {id(point.position.belief): point.position.belief for point in kept}
        numbers = {identity: number for number, identity in enumerate(beliefs)}
        points = [
            PointRow(p.millis, numbers[id(p.position.belief)], p.book, pack_nadir(p.nadir), p.evidence) for p in kept
        ]
        return pack(
            TwinRow(
                ROW_VERSION,
                self.patient_id,
                self.model.hash,
                self.particles,
                pack_history(self.history),
                self.ledger,
                [pack_belief(belief) for belief in beliefs.values()],
                points,
            )
        )

    @classmethod
    def from_row(cls, raw: bytes, model: Model, rhythm: Rhythm | None = None) -> PatientTwin:
        """The twin of a row.

        Raises:
            BadRow: damaged, or written for another version or model.
        """
        row = unpack(raw, model.hash)
        twin = cls(row.patient_id, model, row.particles, rhythm)
        twin.history, twin.ledger = unpack_history(row.history), row.ledger
        twin._rebuild(None)
        beliefs = [unpack_belief(belief) for belief in row.beliefs]
        states = len(twin._trunk.kernel.linear) + len(twin._trunk.kernel.stepped)
        for belief in beliefs:
            if belief.eta.shape[1] != width(model, belief.layout, states):
                raise UnreadableState(
                    f"damaged belief: {belief.eta.shape[1]} numbers a particle do not fit {belief.layout}"
                )
        for at in row.points:
            position = TrunkPosition(beliefs[at.belief], None, None, None)
            twin.points.append(Point(at.millis, position, at.book, unpack_nadir(at.nadir), at.evidence))
        return twin

    def mode(self) -> Mode | None:
        """Posterior mode and Laplace covariance given everything assimilated; ``None`` before the first useful fact."""
        if self._timeline is None:
            return None
        return posterior_mode(self._trunk.kernel, self._trunk.step_sizes, self.belief, self._timeline)

    def posterior(self) -> Posterior:
        """The belief as arrays, as it stands at the newest point, with individual parameters under its covariates."""
        belief, kernel, timeline = self.belief, self._trunk.kernel, self._timeline
        effects = self._trunk.effects(belief)
        segments = UNDIVIDED if timeline is None else timeline.segments
        segment = segments.at(self.points[-1].millis) if self.points else ALWAYS
        covariates = kernel.reference if timeline is None else timeline.covariates[-1]
        par = individual_parameters(kernel, effects.at(segments, segment), covariates)
        dimension = len(self.model.eta_names)
        nothing = Mode(np.zeros(dimension), np.array(self.model.omega), 0.0, True)
        eta = effects.lasting(segments, segment)
        return Posterior(self.model.eta_names, eta, belief.log_weight, kernel.parameters, par, self.mode() or nothing)

    def _insert(self, event: InputEvent) -> Insertion:
        if event.patient_id != self.patient_id:
            raise BadEvent("wrong_patient", f"field 'patient_id': this is the twin of {self.patient_id!r}")
        return insert_event(self.history, event, self.model, settles)

    def _can_wait(self, insertion: Insertion, event: InputEvent) -> bool:
        """Whether the timeline may stay as it is until the twin speaks again: a dose given at once, after all that was
        folded. Building it anew for each dose would cost ever more over years of them."""
        if insertion.since is None:
            return True
        plain = isinstance(event, DoseGiven) and event.duration is None and event.status == "final"
        return plain and bool(self.points) and insertion.since > self.points[-1].millis

    def _stale(self) -> bool:
        """Whether the timeline lacks what is needed now: doses that waited until the twin speaks, or a day of samples,
        unbuilt, in which a pump's silence is not yet counted from its last word."""
        newest = self.history.newest
        if self._timeline is None or newest is None:
            return False
        return (bool(self.history.samples) and newest >= self._built + REBUILD_MS) or (self._waiting and self._passed())

    def _rebuild(self, since: int | None) -> int | None:
        """Build the timeline anew; the earliest time from which anything may differ from before."""
        old = self._timeline
        self._timeline = build(self.history, self._trunk.kernel)
        self._orders = Orders(self.history)
        self._built = self.history.newest or 0
        self._waiting = False
        if self._timeline is None:
            return since
        differs = self._timeline.start if old is None else first_difference(old, self._timeline)
        return earliest((since, differs))

    def _judged_again(self, received: Received) -> tuple[list[Alert], int | None]:
        """Alerts that follow where only a device's late word was taken in, and since when to fold again."""
        if received.contact is None or received.since is not None:
            return [], earliest((received.since, received.contact))
        return self._judge_again(received.contact)

    def _judge_again(self, contact: int) -> tuple[list[Alert], int | None]:
        """Let the rules judge anew what they judged without a late word of a device; no belief differs.

        Returns the alerts that follow, or the time to fold again from where the points in between were not kept.
        """
        first = next((i for i, point in enumerate(self.points) if point.millis >= contact), None)
        if first is None:
            return [], None
        if first == 0 or contact <= self._thinned_until or any(p.snapshot is None for p in self.points[first:]):
            return [], contact
        before = self.points[first - 1]
        book = before.book
        transitions: list[Transition] = []
        for i, point in enumerate(self.points[first:], start=first):
            assert point.snapshot is not None
            snapshot = self._reader.with_contacts(point.snapshot, self.history, self._orders)
            book, moved = advance(book, assess(snapshot), snapshot, settings(), self.model.hash)
            transitions += moved
            self.points[i] = replace(point, book=book, snapshot=snapshot)
        return self._alerts(book, transitions, before.millis, self.points[-1].millis), None

    def _population(self, timeline: Timeline | None) -> Belief:
        """The prior: wider where a characteristic that matters was never reported."""
        population = widened(self.model, None if timeline is None else timeline.widening)
        return prior(population, self.particles, self.patient_id)

    def set_back(self, since: int) -> None:
        """Forget the points from ``since`` on."""
        while self.points and self.points[-1].millis >= since:
            self.points.pop()

    def due(self) -> int | None:
        """The next time at which the twin speaks; ``None`` while there is nothing it could rest on."""
        timeline = self._timeline
        if timeline is None:
            return None
        return self._due(self.points[-1].millis if self.points else timeline.start - 1, timeline)

    def _due(self, after: int, timeline: Timeline) -> int:
        """The next time after ``after`` at which the twin speaks: a datum, a change of rate, or the estimate grid."""
        every = self._trunk.rhythm.estimate
        grid = max(after // every + 1, -(-timeline.start // every)) * every
        found = [grid]
        at = int(np.searchsorted(timeline.change, after, side="right"))
        if at < len(timeline.change):
            found.append(int(timeline.change[at]))
        for observation in timeline.observations[self._seen() :]:
            if observation.millis > after:
                found.append(observation.millis)
                break
        return min(found)

    def _passed(self) -> bool:
        """Whether time has moved beyond the next moment at which the twin speaks."""
        due, newest = self.due(), self.history.newest
        return due is not None and newest is not None and due <= newest

    def _seen(self) -> int:
        return self.points[-1].position.belief.observations if self.points else 0

    def _fold(self) -> tuple[OutputEvent, ...]:
        timeline, newest = self._timeline, self.history.newest
        if newest is None:
            return ()
        if timeline is None:
            # Nothing is left that a twin could rest on: what was published of it is withdrawn.
            return tuple(self._alerts(AlertBook(), [], -(2**62), newest))
        since, book = timeline.start - 1, AlertBook()
        if self.points:
            since, book = self.points[-1].millis, self.points[-1].book
        outputs: list[OutputEvent] = []
        transitions: list[Transition] = []
        while (due := self.due()) is not None and due <= newest:
            step = self.step(due, ahead=self.foresees(due))
            outputs += step.said
            transitions += step.transitions
            book = self.points[-1].book
        # All of the history is folded, up to its newest word: what was published after the last point has no reason.
        return (*outputs, *self._alerts(book, transitions, since, newest))

    def _alerts(self, book: AlertBook, transitions: list[Transition], since: int, until: int) -> list[Alert]:
        self.ledger, revisions = reconcile(self.ledger, book, transitions, since, until)
        return [
            to_alert(
                revision.transition,
                revision.number,
                patient_id=self.patient_id,
                model=self.model.id,
                model_hash=self.model.hash,
            )
            for revision in revisions
        ]

    def foresees(self, due: int) -> bool:
        """Whether there is reason for a forecast at ``due``: a datum, a change of rate, its grid, or that it is new."""
        timeline = self._timeline
        if timeline is None:
            return False
        measured = any(o.millis == due for o in timeline.observations[self._seen() :])
        changed = bool(np.isin(due, timeline.change))
        known = bool(self.points) and self.points[-1].nadir is not None
        return measured or changed or due % self._trunk.rhythm.forecast == 0 or not known

    def step(self, due: int, *, ahead: bool) -> Step:
        """Fold on to ``due`` and say what is known then, with ``ahead`` also what is ahead."""
        if self._waiting:
            self._rebuild(None)
        timeline = self._timeline
        assert timeline is not None, "a twin without a timeline has nothing to fold"
        if self.points:
            point = self.points[-1]
        else:
            belief = self._population(timeline)
            point = Point(timeline.start - 1, self._trunk.begin(timeline, belief), AlertBook())
        position = self._trunk.remembered(point.position, timeline, point.millis)
        seen, evidence, learned = position.belief.observations, point.evidence, list[Assimilated]()
        while seen < len(timeline.observations) and timeline.observations[seen].millis == due:
            observation = timeline.observations[seen]
            position, assimilated = learn(self._trunk, position, timeline, observation)
            expected = assimilated.expected
            evidence = evidence.after(expected.score, observation.output, expected.innovation)
            learned.append(assimilated)
            seen += 1
        position = self._trunk.advance_to_grid(self._trunk.forward(position, timeline, due), timeline, due)
        reading = self._reader.read(
            position, self.history, self._orders, timeline, due, ahead=ahead, nadir=point.nadir, evidence=evidence
        )
        snapshot = reading.snapshot
        book, moved = advance(point.book, assess(snapshot), snapshot, settings(), self.model.hash)
        self.points.append(Point(due, position, book, reading.nadir, evidence, snapshot))
        if len(self.points) >= 2 * POINTS_KEPT:
            self.points = ladder(self.points)
            self._thinned_until = self.points[-POINTS_KEPT].millis
        forget_clouds(self.points)
        said: list[Estimate | Forecast | Prediction] = [self._reader.prediction(one) for one in learned]
        said.append(reading.estimate)
        if reading.forecast is not None:
            said.append(reading.forecast)
        return Step(tuple(said), moved, tuple(learned), reading)


def earliest(times: Iterable[int | None]) -> int | None:
    """The earliest of some times; ``None`` when there is none."""
    return min((millis for millis in times if millis is not None), default=None)
