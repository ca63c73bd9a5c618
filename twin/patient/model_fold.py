"""One model's belief about a patient, folded along the patient's record.

    belief = fold(assimilate, history in event time)

A fold leaves a ladder of points behind it (`twin.patient.checkpoints`), so that it can be set back.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from twin.alerts.ledger import AlertLedger
from twin.alerts.lifecycle import AlertBook, Transition, advance
from twin.alerts.rules import assess, rules_hash, settings
from twin.alerts.snapshot import Snapshot
from twin.alerts.thresholds import DEFAULT, Thresholds
from twin.arrays import Floats
from twin.events import (
    ClinicalEnvelope,
    Estimate,
    Forecast,
    InputEvent,
    OutputEvent,
    Prediction,
    PumpDelivery,
    PumpTotals,
    Withdrawn,
    to_millis,
)
from twin.filter.belief import Belief, prior
from twin.filter.learning import Assimilated, learn
from twin.filter.trunk import Rhythm, Trunk
from twin.kernel.kernel import compile_model
from twin.model.spec import Model, OutputSpec
from twin.patient.accounts.component import Component, as_of, beginning
from twin.patient.accounts.parting import standings_of
from twin.patient.accounts.standing import Standing, met, shares
from twin.patient.advising.desk import NO_ADVICE, DeskState
from twin.patient.ahead.grading import by_version
from twin.patient.bands import withdrawals
from twin.patient.checkpoints import Point
from twin.patient.fold import BEFORE_ALL, Advising, Step, earliest
from twin.patient.held_alerts import standing
from twin.patient.live_record import LiveRecord, Quiet, Received, Repeated
from twin.patient.reading import Reader, Reading
from twin.patient.resting.points import Points
from twin.patient.state_row import TwinState
from twin.record.history import History
from twin.record.orders import Orders
from twin.record.origins import Matter, Origins, origins
from twin.record.silence import at_full_pace, next_estimate
from twin.timeline.covariates import widened
from twin.timeline.pumps.silence import RUNNING
from twin.timeline.pumps.taking import Uncertain
from twin.timeline.timeline import Timeline


@dataclass(frozen=True)
class ModelStep(Step):
    """One step of a model's fold, with the values that were assimilated and the reading of the belief after them."""

    learned: tuple[Assimilated, ...]
    reading: Reading


@dataclass(frozen=True)
class JudgedAgain:
    """Transitions of alerts after ``since`` and until ``until`` (ms), judged anew from kept points."""

    transitions: tuple[Transition, ...]
    since: int
    until: int


class ModelFold:
    """A belief by one model and the record it is folded along; time and chance come from the record alone.

    Args:
        patient_id: pseudonym; part of the key of all randomness.
        model: what is believed in.
        particles: size of the cloud.
        rhythm: how often there is an estimate and a forecast; by default as the model file has it.
        history, points: of a fold that is taken up again.
        thresholds: that the rules are judged by.
    """

    def __init__(
        self,
        patient_id: str,
        model: Model,
        particles: int,
        rhythm: Rhythm | None = None,
        history: History | None = None,
        points: Iterable[Point] = (),
        thresholds: Thresholds = DEFAULT,
    ) -> None:
        self.model = model = by_version(model, thresholds.ctcae)
        self.particles = particles
        self.record = LiveRecord(patient_id, compile_model(model), history)
        self.history = self.record.history
        self.trunk = Trunk(compile_model(model), patient_id, rhythm, self.record.step_sizes)
        self.points = Points(points)
        self._reader = Reader(self.trunk, model)
        self._quiet: Quiet | None = None
        self._shaken: dict[int, bool] = {}
        self._thresholds = thresholds

    @property
    def belief(self) -> Belief:
        """The present belief, by the most likely account of a silent pump; the population's while nothing was
        observed."""
        if not self.points:
            return self._population(self.record.timeline)
        return self.weightiest().position.belief if self.points[-1].rest else self.points[-1].position.belief

    @property
    def newest(self) -> int | None:
        """Time (ms) of the newest event."""
        return self.record.newest

    def held(self, patient_id: str, model_hash: str) -> dict[str, Transition]:
        """The alerts about what is held of the record, by their ids."""
        return standing(self.record.history, patient_id, model_hash)

    @property
    def orders(self) -> Orders:
        """Plans and device bindings."""
        return self.record.orders

    @property
    def timelines(self) -> tuple[Timeline | None]:
        """The record as the model has it."""
        return (self.record.timeline,)

    @property
    def start(self) -> int | None:
        """The time (ms) of the first fact that matters to the model; ``None`` while there is none."""
        return None if self.record.timeline is None else self.record.timeline.start

    def receive(self, events: Sequence[InputEvent]) -> Received:
        """Take events into the record, without folding them."""
        self._quiet = None
        before, folded = self.record.timeline, self.points[-1].millis if self.points else None
        new = [event for event in events if not self.record.history.knows(event.event_id)]
        doubt, doses, turns = self.record.doubt(), self.record.uncertain(), self.record.fever_turns()
        received = self.record.receive(events, folded, self.due)
        moved = [one.since + 1 for one in (doubt, self.record.doubt()) if one is not None]
        moved = moved if doubt != self.record.doubt() else []
        moved += [one.millis for one in {*doses} ^ {*self.record.uncertain()}]
        received = replace(received, since=earliest((received.since, self._misheard(), *moved)))
        if before is not None and folded is not None and received.since is not None:
            self._shake(before.looks(received.since, folded))
            self._shake(self._unbegun(before, folded))
        self._shake(turns - self.record.fever_turns())
        self._shake(self._replaced(new))
        if self.record.step_sizes != self.trunk.step_sizes:
            trunk = self.trunk
            self.trunk = Trunk(trunk.kernel, trunk.patient_id, trunk.rhythm, self.record.step_sizes)
            self._reader = Reader(self.trunk, self.model)
        return received

    def _misheard(self) -> int | None:
        """Since when (ms) pumps were silent that are not any more, or the other way round: not every point is kept."""
        opens = self.record.opens()
        first = min((one.since for one in opens), default=-BEFORE_ALL)
        if not self.points or not (self.points.silent or self.points[-1].millis > first):
            return None
        for point in self.points:
            silence = tuple(one for one in opens if one.since < point.millis) if point.millis > first else ()
            if point.silence != silence:
                return min(one.since for one in (*point.silence, *silence)) + 1
        return None

    def _doses(self, before: Point, due: int) -> tuple[Uncertain, ...]:
        """The doses of which it is in doubt at ``due`` whether they were taken, beside no other doubt.

        One that was told while something else was in doubt is not any more: no account has parted for it.
        """
        known = self.record.uncertain()
        return tuple(one for one in known if one in before.doses or before.millis < one.millis <= due)

    def settles(self, event: InputEvent) -> bool:
        """Whether an event is the word of a pump while one is silent."""
        silent = bool(self.points) and bool(self.points[-1].silence)
        return silent and isinstance(event, PumpDelivery | PumpTotals)

    def standings(self) -> list[Standing]:
        """Where the particles stand now by each account of what was delivered; the first is that silent pumps run.

        Raises:
            ValueError: there is no record.
        """
        if not self.points:
            timeline = self.up_to_date()
            return [Standing(RUNNING._replace(log_prior=0.0), timeline, self._beginning(timeline).position)]
        point = self.points[-1]
        at = point.silence, point.mismatch, point.doses, point.millis
        return standings_of(point, *at, self.up_to_date(), self.record.account)

    def weightiest(self) -> Standing:
        """The account that is most likely now; raises `ValueError` where there is no record."""
        return max(self.standings(), key=lambda one: one.log_weight)

    def individual(self) -> tuple[Floats, Floats]:
        """Individual parameters (P, N) at the newest point, and the particles' weights (N,)."""
        standings = self.standings()
        return self._reader.individual(standings, shares([one.log_weight for one in standings]), self.points[-1].millis)

    def components(self, millis: int, share: float = 1.0) -> tuple[Component, ...]:
        """What is believed at ``millis``, not before the newest point; of a whole belief it is a ``share``.

        Before the record begins that is the population, with what is known of the patient by then.
        """
        plan, trunk = self.record.orders.plan(millis), self.trunk
        if not self.points and (self.start is None or millis < self.start):
            unbegun = Trunk(trunk.kernel, trunk.patient_id, trunk.rhythm)
            return (replace(beginning(millis, unbegun, self.history.until(millis), plan, self.particles), share=share),)
        standings = self.standings()
        since = self.points[-1].millis if self.points else standings[0].timeline.start - 1
        return as_of(millis, trunk, standings, plan, since, share)

    def shaken(self) -> dict[int, bool]:
        """The times (ms) at which what was said may have lost its reason by what was received, and whether there may
        have been a forecast; asked once."""
        shaken, self._shaken = self._shaken, {}
        return shaken

    def speaks_at(self, millis: int) -> bool:
        """Whether there is an estimate at ``millis``, as the record stands now."""
        timeline = self.record.timeline
        return timeline is not None and millis >= timeline.start and self._due_after(millis - 1, timeline) == millis

    def unmeasured(self, millis: int) -> tuple[OutputSpec, ...]:
        """Outputs of which a value was told to be measured at ``millis``, and none counts."""
        return self.record.unmeasured(millis)

    def withdrawn(self, said: Iterable[OutputEvent]) -> list[Withdrawn]:
        """What has no reason any more, as what was received shows, after all that is ``said`` again."""
        return withdrawals([self], self._reader.envelope, said)

    def _shake(self, times: Iterable[int]) -> None:
        self._shaken |= dict.fromkeys(times, True)

    def _replaced(self, events: Sequence[InputEvent]) -> Iterator[int]:
        """Times (ms) of facts that others stand in place of, since or although these events came."""
        history = self.record.history
        for event in events:
            if event.event_id in history.superseded:
                yield to_millis(event.time)
            replaced = event.replaces if isinstance(event, ClinicalEnvelope) else None
            if replaced is not None and replaced in history.facts:
                yield to_millis(history.facts[replaced].time)

    def _unbegun(self, before: Timeline, folded: int) -> Iterator[int]:
        """Times (ms) of estimates up to ``folded`` that the record, as it was ``before``, had begun by and has not."""
        end = folded + 1 if self.start is None else min(folded + 1, self.start)
        millis = before.start - 1
        while millis < end and (millis := self._due_after(millis, before)) < end:
            yield millis

    def repeated(self, event: InputEvent, millis: int) -> Repeated | None:
        """An event of ``millis`` as it is to be kept, if it is a reading that changes nothing but the record."""
        if self._quiet is None:
            self._quiet = self._quiet_now()
        return self.record.repeated(event, millis, self._quiet)

    def _quiet_now(self) -> Quiet:
        """When nothing is due, whatever devices repeat; it holds until more than that is told, or the fold moves."""
        timeline = self.record.timeline
        if timeline is None:
            return Quiet(BEFORE_ALL, -BEFORE_ALL)
        after = self.points[-1].millis if self.points else timeline.start - 1
        if self.points and self.points[-1].silence:
            return Quiet(after, after)  # the next word of a pump settles whether it ran
        if not at_full_pace(after, self.trunk.rhythm.estimate, self.record.history, self.trunk.rhythm.phase):
            return Quiet(after, after)  # the next word ends the silence
        return self.record.quiet(after, self._due_after(after, timeline))

    def set_back(self, since: int) -> None:
        """Forget the points from ``since`` (ms) on."""
        self._quiet = None
        while self.points and self.points[-1].millis >= since:
            millis = self.points.pop().millis
            first = not self.points  # of which there was a forecast for being the first
            self._shaken[millis] = self._shaken.get(millis, False) or first

    def due(self) -> int | None:
        """The next time (ms) of an estimate: a datum, a change of rate, or the grid, which is coarse in a silence."""
        timeline = self.record.timeline
        if timeline is None:
            return None
        return self._due_after(self.points[-1].millis if self.points else timeline.start - 1, timeline)

    def _due_after(self, after: int, timeline: Timeline) -> int:
        """The first time (ms) of an estimate after ``after``."""
        rhythm = self.trunk.rhythm
        due = next_estimate(after, rhythm.estimate, self.record.history, self.record.orders, rhythm.phase)
        at = int(np.searchsorted(timeline.turns, after, side="right"))
        if at < len(timeline.turns):
            due = min(due, int(timeline.turns[at]))
        at = bisect_right(timeline.observations, after, key=lambda observation: observation.millis)
        measured = (observation.millis for observation in timeline.observations[at : at + 1])
        return min([due, *measured, *self.record.fever_turn(after)])

    def foresees(self, due: int) -> bool:
        """Whether there is reason for a forecast at ``due``: a datum that sums up no readings, a change of rate, its
        grid, or that it is new."""
        timeline = self.record.timeline
        if timeline is None:
            return False
        measured = any(o.millis == due and o.readings is None for o in timeline.observations[self._assimilated() :])
        changed = bool(np.isin(due, timeline.turns))
        known = bool(self.points) and bool(self.points[-1].foreseen)
        return measured or changed or (due - self.trunk.rhythm.phase) % self.trunk.rhythm.forecast == 0 or not known

    def up_to_date(self) -> Timeline:
        """The timeline of all that was told; raises `ValueError` where there is nothing that a belief could rest on."""
        self._quiet = None
        return self.record.up_to_date()

    def step(self, due: int, *, ahead: bool | None = None, advising: Advising | None = None) -> ModelStep:
        """Fold on to ``due`` (ms) and read the belief there, with a forecast ``ahead`` (by default if there is reason).

        Rules know what is advised there, where somebody is ``advising``.

        Raises:
            ValueError: there is no record to fold along.
        """
        ahead = self.foresees(due) if ahead is None else ahead
        self.record.hear(due)
        before = self.points[-1] if self.points else self._beginning(self.up_to_date())
        silence = self.record.silent(due)
        mismatch = None if silence else self.record.mismatch(due)
        doses = () if silence or mismatch is not None else self._doses(before, due)
        standings = standings_of(before, silence, mismatch, doses, due, self.up_to_date(), self.record.account)
        weights = [one.log_weight for one in standings]
        standings, each = self._assimilate(standings, before.millis, due)
        learned = list(met(self.model.outputs, weights, each))
        evidence = before.evidence
        for one in learned:
            evidence = evidence.after(one.expected.score, one.observation.output, one.expected.innovation)
        reading = self._reader.read(
            standings,
            silence,
            doses,
            self.record.history,
            self.record.orders,
            due,
            ahead=ahead,
            foreseen=before.foreseen,
            evidence=evidence,
            mismatch=mismatch,
            learned=learned,
        )
        snapshot = reading.snapshot
        if advising is not None:
            advice = advising(due, lambda: as_of(due, self.trunk, standings, self.record.orders.plan(due), due))
            snapshot = replace(snapshot, advice=advice)
        book, moved = self._judged(before.book, snapshot)
        position, *rest = (one.position for one in standings)
        self.points.append(
            Point(due, position, book, reading.foreseen, evidence, snapshot, silence, tuple(rest), mismatch, doses)
        )
        published: list[Estimate | Forecast | Prediction] = [self._reader.prediction(one) for one in learned]
        published += [reading.estimate] if reading.forecast is None else [reading.estimate, reading.forecast]
        return ModelStep(tuple(published), moved, snapshot, tuple(learned), reading)

    def _judged(self, book: AlertBook, snapshot: Snapshot) -> tuple[AlertBook, tuple[Transition, ...]]:
        """The alert book after the rules have judged a snapshot, and the transitions that follow."""
        found = assess(snapshot, self._thresholds)
        return advance(book, found, snapshot, settings(self._thresholds), self.model.hash, self.origins_of)

    def origins_of(self, matter: Matter) -> Origins:
        """Of which events of the record something is judged."""
        return origins(self.record.history, matter)

    def judge_again(self, contact: int) -> JudgedAgain | None:
        """Let the rules judge anew what they judged without a device's report of ``contact`` (ms); no belief differs.

        ``None`` where the points since then were not all kept, and the fold has to be set back.

        Raises:
            ValueError: nothing has been judged since.
        """
        timeline = self.record.timeline
        points = self.points.awake()
        first = next((i for i, point in enumerate(points) if point.millis >= contact), None)
        if first is None or timeline is None:
            raise ValueError(f"contact: nothing has been judged since {contact}; the next step will know of it")
        if first == 0 or contact <= self.points.thinned_until or any(p.snapshot is None for p in points[first:]):
            return None
        before = points[first - 1]
        if any(self._due_after(one.millis, timeline) != other.millis for one, other in pairwise(points[first - 1 :])):
            return None  # A silence was none: there are estimates to add, or to leave out.
        book = before.book
        transitions: list[Transition] = []
        for i, point in enumerate(points[first:], start=first):
            assert point.snapshot is not None
            snapshot = self._reader.with_contacts(point.snapshot, self.record.history, self.record.orders)
            book, moved = self._judged(book, snapshot)
            transitions += moved
            points[i] = replace(point, book=book, snapshot=snapshot)
        return JudgedAgain(tuple(transitions), before.millis, points[-1].millis)

    def rest(self) -> None:
        """Let go of what the record gives again: memory of a twin that waits for its next event."""
        self.points.rest()
        self.history.rest()

    def state(self, ledger: AlertLedger, held: AlertLedger, desk: DeskState = NO_ADVICE) -> TwinState:
        """All that is not derived, with what was published: alerts, those about what is held, and advice."""
        history, points = self.record.history, self.points.resumable()
        head = self.trunk.patient_id, self.model.hash, rules_hash(self._thresholds), self.particles
        return TwinState(*head, history, ledger, held, tuple(points), desk)

    def _assimilated(self) -> int:
        """How many observations the belief rests on."""
        return self.points[-1].position.belief.observations if self.points else 0

    def _population(self, timeline: Timeline | None) -> Belief:
        """The prior: wider where a characteristic that matters was never reported."""
        population = widened(self.model, None if timeline is None else timeline.widening)
        return prior(population, self.particles, self.trunk.patient_id)

    def _beginning(self, timeline: Timeline) -> Point:
        """The point before the record."""
        return Point(timeline.start - 1, self.trunk.begin(timeline, self._population(timeline)), AlertBook())

    def _assimilate(
        self, standings: Sequence[Standing], since: int, due: int
    ) -> tuple[list[Standing], list[list[Assimilated]]]:
        """Bring every account from ``since`` to ``due`` (ms) with all that was measured then, and what each met."""
        found, learned = list[Standing](), list[list[Assimilated]]()
        for one in standings:
            timeline, values = one.timeline, list[Assimilated]()
            position = self.trunk.remembered(one.position, timeline, since)
            for observation in timeline.observations[position.belief.observations :]:
                if observation.millis != due:
                    break
                position, assimilated = learn(self.trunk, position, timeline, observation)
                values.append(assimilated)
            position = self.trunk.advance_to_grid(self.trunk.forward(position, timeline, due), timeline, due)
            found.append(replace(one, position=position))
            learned.append(values)
        return found, learned
