"""The digital twin of one patient: what is believed of the patient, given everything that was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twin.alerts.ledger import AlertLedger
from twin.alerts.rules import rules_hash
from twin.alerts.thresholds import DEFAULT, Thresholds
from twin.arrays import Floats
from twin.events import Alert, AlertAction, AlertEvidence, InputEvent, Subject, to_millis
from twin.figure.trajectory import trajectory
from twin.filter.belief import Belief
from twin.filter.modes.mode import Mode
from twin.filter.posthoc import posterior_mode
from twin.model.spec import Model, ModelError
from twin.patient.accounts.component import Component
from twin.patient.accounts.initial_effects import InitialEffects, initial_effects_of
from twin.patient.accounts.standing import log_total
from twin.patient.advising.desk import Adviser, Desk
from twin.patient.checkpoints import Point
from twin.patient.fold import PARTICLES, Because, Fold, Update, earliest
from twin.patient.live_record import Received
from twin.patient.model_fold import ModelFold
from twin.patient.state_row import TwinState, pack_state, unpack_state
from twin.record.history import History
from twin.solver.linear_system import individual_parameters
from twin.steps import Steps, finished
from twin.timeline.segments import ALWAYS, UNDIVIDED
from twin.timeline.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Posterior:
    """The belief as arrays, of N particles with d random effects and P individual parameters.

    While a pump is silent there are N particles for each account of when it stopped, weighed by the data; the mode is
    that of the most likely account.

    Attributes:
        names: (d,) of the parameters that vary between patients.
        eta: (N, d) random effects, without unit: what lasts. With a drift it is as far as it has gone by now, without
            the effects of the present occasion, which the individual parameters have.
        log_weight: (N,) normalised, so that exp sums to one.
        parameter_names: (P,) columns of ``params``.
        params: (N, P) individual parameters, each in its unit in the model file.
        mode: posterior mode of eta, with its covariance.
    """

    names: tuple[str, ...]
    eta: Floats
    log_weight: Floats
    parameter_names: tuple[str, ...]
    params: Floats
    mode: Mode


class PatientTwin:
    """The twin of one patient: a pure function of the patient's events.

    It asks no clock and no global chance: the same events, in any order and grouping, end in the same belief, bit for
    bit. The first twin of a model compiles its equations and keeps them in the user's cache folder, which changes
    nothing but the time it takes.

    Args:
        patient_id: pseudonym; part of the key of all randomness.
        model: from `twin.load_model`.
        particles: size N of the cloud; 1,000 give probabilities to about 0.02.
        state: where another twin of the patient stood; see `from_row`.
        thresholds: what a ward sets otherwise for its alerts (`twin.alerts.rules.thresholds_of`).
        adviser: who answers when advice is asked for (`twin.dosing.live.LiveAdviser`); without one nobody does, and
            what a row says was answered stands.

    Raises:
        ModelError: ``model`` is a mixture, whose patients `twin.patient.averaged.begun_twin` follows.

    >>> from datetime import UTC, datetime, timedelta
    >>> from twin import PatientTwin, load_model
    >>> from twin.events import DoseGiven, LabResult, Quantity
    >>> begin = datetime(2026, 1, 5, 9, tzinfo=UTC)
    >>> dose = DoseGiven(event_id="d1", patient_id="P-1", time=begin, source="ward", drug="docetaxel", route="iv",
    ...                  amount=Quantity(value=96, unit="mg"), duration=Quantity(value=1, unit="h"))
    >>> count = LabResult(event_id="c1", patient_id="P-1", time=begin + timedelta(days=7), source="laboratory",
    ...                   analyte="neutrophils", value=Quantity(value=1.1, unit="10*9/L"))
    >>> twin = PatientTwin("P-1", load_model("docetaxel_ozawa2007"), particles=200)
    >>> update = twin.observe([dose, count])
    >>> [(p.output, p.observed) for p in update.outputs if p.kind == "prediction"]
    [('neutrophils', 1.1)]
    >>> posterior = twin.posterior()
    >>> posterior.eta.shape == (200, len(posterior.names))
    True
    >>> later = PatientTwin.from_row(twin.row(), load_model("docetaxel_ozawa2007"))
    >>> later.belief.observations
    1
    """

    def __init__(
        self,
        patient_id: str,
        model: Model,
        particles: int = PARTICLES,
        state: TwinState | None = None,
        thresholds: Thresholds = DEFAULT,
        adviser: Adviser | None = None,
    ) -> None:
        if model.mixture is not None:
            problem = "is of classes that nobody sees; begin the twin of it by `twin.patient.averaged.begun_twin`"
            raise ModelError(model.id, "mixture", problem)
        self.patient_id = patient_id
        self.model = model
        self.particles = particles
        history, points = (None, ()) if state is None else (state.history, state.points)
        ledger, held = (None, None) if state is None else (state.ledger, state.held)
        self._folded = ModelFold(patient_id, model, particles, None, history, points, thresholds)
        desk = Desk(adviser, patient_id, model.id, model.hash, (model,), None if state is None else state.desk)
        self._fold = Fold(self._folded, patient_id, model.id, model.hash, desk, ledger, held, thresholds)

    def __repr__(self) -> str:
        known = f"{self.belief.observations} values observed, ess {self.belief.ess:.0f} of {self.particles}"
        return f"<PatientTwin {self.patient_id}: {self.model.id}, {known}>"

    @property
    def belief(self) -> Belief:
        """Weighted particles (N,) of eta after the newest observation; the population's while there is none.

        While a pump is silent they are those of the most likely account; `posterior` has all accounts.
        """
        return self._folded.belief

    @property
    def history(self) -> History:
        """Every fact observed, whatever the order of arrival."""
        return self._folded.record.history

    @property
    def points(self) -> list[Point]:
        """Points of the fold that are kept, in order of time: alerts, toxicities foreseen and the belief at each."""
        return self._folded.points.awake()

    @property
    def ledger(self) -> AlertLedger:
        """The alerts published so far."""
        return self._fold.ledger

    def observe(self, events: Sequence[InputEvent], *, level: bool = True) -> Update:
        """Observe events of the patient, in any order.

        Late, corrected and retracted ones are allowed: everything after them is estimated and published again, under
        the same event ids; what was said of a time at which nothing is estimated or measured any more is withdrawn.

        Args:
            events: of the patient.
            level: what is read of each source reaches about equally far. Otherwise no device is called silent: its
                words may only not have been read yet.

        Returns:
            Estimates, forecasts, predictions of measured values (each made before the value is assimilated) and
            alerts, in event-time order, and what is withdrawn; and the events that could not be used, each with the
            reason. Nothing that an event holds raises.
        """
        return finished(self.observing(events, level=level))

    def observing(self, events: Sequence[InputEvent], *, level: bool = True) -> Steps[Update]:
        """As `observe`, a step at a time; until the last one is done the twin must be asked nothing else."""
        because, actions = self._fold.because(events), new_actions(events, self.history)
        received = self._folded.receive(events)
        alerts, since = self._judged_again(received, level=level)
        folded = yield from self._fold.run(since, level=level, because=because)
        outputs = (*alerts, *folded)
        outputs = (*outputs, *self._folded.withdrawn(outputs), *self._fold.held_alerts())
        return Update(outputs, (*received.rejected, *self._fold.unmet(actions)), self._fold.withheld)

    def beginning_again(self, because: Because, *, level: bool = True) -> Steps[Update]:
        """Fold a record that came with the twin from its beginning, a step at a time; only alerts are told, as they
        stand then (`twin.patient.versions.moving`)."""
        alerts = yield from self._fold.begin_again(because, level=level)
        return Update((*alerts, *self._fold.held_alerts()), (), self._fold.withheld)

    def judged(self, now: int) -> dict[tuple[str, Subject], AlertEvidence]:
        """What every rule finds of each subject at ``now`` (ms), not before the newest event; the twin is folded there.

        Raises:
            ValueError: nothing was observed that a belief could rest on.
        """
        return self._fold.judged(now)

    def reaches_back(self, event: InputEvent) -> bool:
        """Whether to observe this event may let the twin fold again what it has folded, which takes long."""
        return self._fold.reaches_back(event)

    def take(self, event: InputEvent, *, level: bool = True) -> bool:
        """Observe one event at the cost of microseconds, if it is a repeated reading and nothing follows from it yet.

        Returns:
            Whether it was; otherwise nothing was done, and the event is still to be observed.
        """
        millis = to_millis(event.time)
        if (level and self._fold.withheld) or not self._fold.waits_until(millis):
            return False
        repeated = self._folded.repeated(event, millis)
        if repeated is None:
            return False
        self._folded.record.keep(repeated)
        return True

    def mode(self) -> Mode | None:
        """Posterior mode of eta (d,) and its Laplace covariance (d, d); ``None`` before the first useful fact."""
        return mode_of(self._folded)

    def posterior(self) -> Posterior:
        """The belief as arrays at the newest estimate; individual parameters are those under its covariates."""
        return posterior_of(self._folded)

    def initial_effects(self) -> InitialEffects | None:
        """What is believed of eta as it was at first; ``None`` before the first value, and of a drift whose past the
        particles have left behind."""
        return effects_at_first(self._folded)

    def components(self, now: int | None = None) -> tuple[Component, ...]:
        """The belief as particles that can be carried on; the twin stays as it is.

        Args:
            now: ms, not before the newest event, which it is by default; plans are those that stand then.

        Raises:
            ValueError: ``now`` is before what was observed, or nothing was observed and there is no ``now``.
        """
        return components_at(self._folded, now)

    def plot(self) -> Figure:
        """What was given, and each output of the model: bands so far and ahead, and what was measured.

        Bands are of the output without residual error, and given all that was observed: what is believed now of the
        past. What lies ahead assumes that running infusions finish and planned doses are given, and of a silent pump
        what is most likely now.

        Returns:
            A matplotlib figure: a panel of doses, then one for each output.

        Raises:
            ValueError: no dose or value was observed yet that the model can use.
        """
        from twin.figure.drawing import draw

        trunk, record = self._folded.trunk, self._folded.record
        now = record.newest
        if record.timeline is None or now is None:
            raise ValueError(f"the twin of {self.patient_id} has observed no dose or value yet, so there is no plot")
        known, plan = self._folded.weightiest(), record.orders.plan(now)
        seen = trajectory(trunk, known.position.belief, known.timeline, plan, now, trunk.rhythm.horizon)
        return draw(self.patient_id, self.model, seen)

    def row(self) -> bytes:
        """The twin's state, some 30 bytes a particle; `from_row` gives a twin that goes on to the same bytes.

        A twin whose row was written rests: it lets go of what its record gives again, until there is work to do.
        """
        row = pack_state(self._folded.state(self.ledger, self._fold.held, self._fold.desk.state))
        self._folded.rest()
        return row

    @classmethod
    def from_row(
        cls, raw: bytes, model: Model, thresholds: Thresholds = DEFAULT, adviser: Adviser | None = None
    ) -> PatientTwin:
        """The twin of a row; where its alerts were judged by other thresholds, or there are other protocols now, it
        folds its history again.

        Raises:
            UnreadableState: damaged, or written for another version or model.
        """
        state = unpack_state(raw, model, rules_hash(thresholds), adviser)
        return cls(state.patient_id, model, state.particles, state, thresholds, adviser)

    def _judged_again(self, received: Received, *, level: bool) -> tuple[list[Alert], int | None]:
        """Alerts that follow where only a late report of a device came in, and since when to fold again."""
        since, contact = received.since, received.contact
        if since is not None or contact is None:
            return [], earliest((since, contact))
        points = self._folded.points
        if not points or points[-1].millis < contact:
            return [], None
        judged = self._folded.judge_again(contact)
        if judged is None:
            return [], contact
        return self._fold.alerts(judged.transitions, judged.since, judged.until, level=level), None


def components_at(fold: ModelFold, now: int | None, share: float = 1.0) -> tuple[Component, ...]:
    """One model's part of a belief at ``now`` (ms), see `PatientTwin.components`."""
    newest, trunk = fold.newest, fold.trunk
    if now is None and newest is None:
        raise ValueError(f"the twin of {trunk.patient_id} has observed nothing yet; say for when, now=...")
    at = newest if now is None else now
    assert at is not None
    if newest is not None and at < newest:
        raise ValueError(f"now: {at} is before the newest event, at {newest}; a belief is carried on, never back")
    return fold.components(at, share)


def new_actions(events: Sequence[InputEvent], history: History) -> list[AlertAction]:
    """Of these events, what people did about alerts and a history does not know of yet."""
    return [event for event in events if isinstance(event, AlertAction) and not history.knows(event.event_id)]


def mode_of(fold: ModelFold) -> Mode | None:
    """Posterior mode of eta (d,) given all that was assimilated; ``None`` before the first useful fact."""
    if fold.record.timeline is None:
        return None
    known = fold.weightiest()
    return posterior_mode(fold.trunk.kernel, fold.trunk.step_sizes, known.position.belief, known.timeline)


def effects_at_first(fold: ModelFold) -> InitialEffects | None:
    """See `PatientTwin.initial_effects`."""
    timeline = fold.record.timeline
    if timeline is None or not fold.belief.observations:
        return None
    return initial_effects_of(fold.trunk, timeline, fold.standings())


def posterior_of(fold: ModelFold) -> Posterior:
    """One model's belief as arrays, as it stands at the newest point."""
    kernel, names = fold.trunk.kernel, fold.model.eta_names
    mode = mode_of(fold) or Mode(np.zeros(len(names)), np.array(fold.model.omega), 0.0, True)
    if len(fold.points) == 0 or not fold.points[-1].rest:
        eta, params = _arrays_of(fold, fold.belief, fold.record.timeline)
        return Posterior(names, eta, fold.belief.log_weight, kernel.parameters, params, mode)
    standings = fold.standings()
    each = [_arrays_of(fold, one.position.belief, one.timeline) for one in standings]
    total = log_total([one.log_weight for one in standings])
    log_weight = np.concatenate([one.log_weight - total + one.position.belief.log_weight for one in standings])
    eta, params = (np.concatenate(parts) for parts in zip(*each, strict=True))
    return Posterior(names, eta, log_weight, kernel.parameters, params, mode)


def _arrays_of(fold: ModelFold, belief: Belief, timeline: Timeline | None) -> tuple[Floats, Floats]:
    """Lasting effects (N, d) and individual parameters (N, P) at the newest point."""
    kernel, effects = fold.trunk.kernel, fold.trunk.effects(belief)
    segments = UNDIVIDED if timeline is None else timeline.segments
    segment = segments.at(fold.points[-1].millis) if fold.points else ALWAYS
    covariates = kernel.reference if timeline is None else timeline.covariates[-1]
    params = individual_parameters(kernel, effects.at(segments, segment), covariates)
    return effects.lasting(segments, segment), params
