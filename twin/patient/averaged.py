"""The twin of one patient by several rival models, or by the classes of a mixture, averaged.

Like a single model's twin it is a function of the patient's events: any order of arrival ends in the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from twin.alerts.ledger import AlertLedger
from twin.alerts.misfit import Evidence
from twin.alerts.rules import rules_hash
from twin.alerts.thresholds import DEFAULT, Thresholds
from twin.events import AlertEvidence, InputEvent, Subject, to_millis
from twin.filter.belief import Belief
from twin.filter.trunk import rhythm_of
from twin.model.spec import Model
from twin.patient.accounts.component import Component
from twin.patient.accounts.initial_effects import InitialEffects
from twin.patient.advising.desk import Adviser, Desk, DeskState, answered_alike
from twin.patient.average_fold import AverageFold, AveragePoint
from twin.patient.fold import PARTICLES, Because, Fold, Update, earliest
from twin.patient.model_fold import ModelFold
from twin.patient.rivals import Rivals, classes_of, shares
from twin.patient.state_row import (
    TwinState,
    UnreadableState,
    history_in,
    pack_books,
    pack_foreseen,
    pack_state,
    unpack_books,
    unpack_foreseen,
    unpack_state,
)
from twin.patient.twin import PatientTwin, Posterior, components_at, effects_at_first, new_actions, posterior_of
from twin.record.history import History
from twin.steps import Steps, finished

AVERAGE_VERSION = "average 8"
"""Raise when the meaning of a row changes."""


class AveragePointRow(msgspec.Struct, frozen=True, array_like=True):
    """An `AveragePoint` as bytes."""

    millis: int
    foreseen: list[bytes]
    evidence: Evidence
    log_evidence: tuple[float, ...]


class AverageRow(msgspec.Struct, frozen=True, array_like=True):
    """All of an averaged twin that is not derived: the rows of its models' folds, alerts, and points."""

    version: str
    patient_id: str
    models: str
    rules_hash: str
    particles: int
    twins: list[bytes]
    ledger: AlertLedger
    held: AlertLedger
    points: list[AveragePointRow]
    books: bytes
    desk: DeskState


class _Beginning(msgspec.Struct, frozen=True, array_like=True):
    """What rows of all twins begin with: a number of that of one model."""

    version: int | str


_decoder, _begins = msgspec.msgpack.Decoder(AverageRow), msgspec.msgpack.Decoder(_Beginning)


@dataclass(frozen=True)
class AverageState:
    """Where an averaged twin stands: its models' states in their order, the alerts published (``held``: about what is
    held), the points, and the advice that was given."""

    members: tuple[TwinState, ...]
    ledger: AlertLedger
    held: AlertLedger
    points: tuple[AveragePoint, ...]
    desk: DeskState


class AveragedTwin:
    """One patient's twin by rival models, as pure as `twin.PatientTwin`.

    Args:
        patient_id: pseudonym; part of the key of all randomness.
        models: from `twin.patient.rivals`; the first sets the rhythm.
        particles: size of each model's cloud.
        state: where another twin of the patient stood; see `from_row`.
        thresholds, adviser: as of `twin.PatientTwin`.
    """

    def __init__(
        self,
        patient_id: str,
        models: Rivals,
        particles: int = PARTICLES,
        state: AverageState | None = None,
        thresholds: Thresholds = DEFAULT,
        adviser: Adviser | None = None,
    ) -> None:
        self.patient_id = patient_id
        self.models = models
        self.particles = particles
        self._rules_hash = rules_hash(thresholds)
        rhythm = rhythm_of(models.models[0], patient_id)
        if state is None:
            members = [ModelFold(patient_id, m, particles, rhythm, thresholds=thresholds) for m in models.models]
        else:
            members = [
                ModelFold(patient_id, model, particles, rhythm, member.history, member.points, thresholds)
                for model, member in zip(models.models, state.members, strict=True)
            ]
        self._folded = AverageFold(patient_id, models, members, () if state is None else state.points, thresholds)
        ledger, held = (None, None) if state is None else (state.ledger, state.held)
        desk = Desk(adviser, patient_id, models.id, models.hash, models.models, None if state is None else state.desk)
        self._fold = Fold(self._folded, patient_id, models.id, models.hash, desk, ledger, held, thresholds)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each model by its id, of a mixture the probability of each class by its name."""
        return dict(zip(self.models.ids, shares(self._folded.log_evidence).tolist(), strict=True))

    @property
    def beliefs(self) -> dict[str, Belief]:
        """Present belief of each model by its id, or by the name of the class."""
        return {name: one.belief for name, one in zip(self.models.ids, self._folded.members, strict=True)}

    @property
    def ledger(self) -> AlertLedger:
        """The alerts published so far."""
        return self._fold.ledger

    def posteriors(self) -> dict[str, Posterior]:
        """Each model's belief as arrays, by its id, or by the name of the class."""
        return {name: posterior_of(one) for name, one in zip(self.models.ids, self._folded.members, strict=True)}

    def initial_effects(self) -> tuple[InitialEffects | None, ...]:
        """What each model believes of eta as it was at first, as `twin.PatientTwin.initial_effects`."""
        return tuple(effects_at_first(one) for one in self._folded.members)

    def components(self, now: int | None = None) -> tuple[Component, ...]:
        """The belief as particles that can be carried on, as `twin.PatientTwin.components`; of every model."""
        weights = shares(self._folded.log_evidence).tolist()
        found = [components_at(m, now, share) for m, share in zip(self._folded.members, weights, strict=True)]
        return tuple(component for each in found for component in each)

    def observe(self, events: Sequence[InputEvent], *, level: bool = True) -> Update:
        """Observe events of the patient, in any order, as `twin.PatientTwin.observe`.

        What no model can use is rejected, with the first model's reason.
        """
        return finished(self.observing(events, level=level))

    def observing(self, events: Sequence[InputEvent], *, level: bool = True) -> Steps[Update]:
        """As `observe`, a step at a time, as `twin.PatientTwin.observing`."""
        because = self._fold.because(events)
        actions = new_actions(events, self._folded.members[0].record.history)
        received = self._folded.receive(events)
        since = earliest((received.since, received.contact))
        outputs = yield from self._fold.run(since, level=level, because=because)
        outputs = (*outputs, *self._folded.withdrawn(outputs), *self._fold.held_alerts())
        return Update(outputs, (*received.rejected, *self._fold.unmet(actions)), self._fold.withheld)

    def beginning_again(self, because: Because, *, level: bool = True) -> Steps[Update]:
        """As `twin.PatientTwin.beginning_again`, every model's record."""
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
        """Observe one event at the cost of microseconds, as `twin.PatientTwin.take`, if every model can."""
        millis = to_millis(event.time)
        if (level and self._fold.withheld) or not self._fold.waits_until(millis):
            return False
        members = self._folded.members
        repeated = [one for member in members if (one := member.repeated(event, millis)) is not None]
        if len(repeated) < len(members):
            return False
        for member, one in zip(members, repeated, strict=True):
            member.record.keep(one)
        return True

    def row(self) -> bytes:
        """The twin's state; `from_row` gives a twin that goes on to the same bytes, and this one rests."""
        nothing = AlertLedger()  # no model publishes alerts of its own
        row = msgspec.msgpack.encode(
            AverageRow(
                AVERAGE_VERSION,
                self.patient_id,
                self.models.hash,
                self._rules_hash,
                self.particles,
                [pack_state(member.state(nothing, nothing)) for member in self._folded.members],
                self.ledger,
                self._fold.held,
                [
                    AveragePointRow(p.millis, pack_foreseen(p.foreseen), p.evidence, p.log_evidence)
                    for p in self._folded.points
                ],
                pack_books([p.book for p in self._folded.points]),
                self._fold.desk.state,
            )
        )
        for member in self._folded.members:
            member.rest()
        return row

    @classmethod
    def from_row(
        cls, raw: bytes, models: Rivals, thresholds: Thresholds = DEFAULT, adviser: Adviser | None = None
    ) -> AveragedTwin:
        """The twin of a row; where its alerts were judged by other thresholds, or there are other protocols now, it
        folds its history again.

        Raises:
            UnreadableState: damaged, or written for another version or other models.
        """
        known = averaged_in(raw, models, rules_hash(thresholds))
        alike = known.alike and answered_alike(known.desk, adviser, models.models)
        state = AverageState(known.members, known.ledger, known.held, known.points if alike else (), known.desk)
        return cls(known.patient_id, models, known.particles, state, thresholds, adviser)


@dataclass(frozen=True)
class AveragedRow:
    """What a row says, as `AverageState` has it; ``alike`` whether its alerts were judged by the rules of now."""

    patient_id: str
    particles: int
    members: tuple[TwinState, ...]
    ledger: AlertLedger
    held: AlertLedger
    points: tuple[AveragePoint, ...]
    desk: DeskState
    alike: bool


def averaged_in(raw: bytes, models: Rivals, rules: str) -> AveragedRow:
    """The state in a row of a twin by ``models``, with its points where ``rules`` (hash) judged them.

    Raises:
        UnreadableState: damaged, or written for another version or other models.
    """
    row = _decoded(raw, models)
    members = tuple(unpack_state(twin, model, rules) for twin, model in zip(row.twins, models.models, strict=True))
    alike = row.rules_hash == rules
    points = tuple(
        AveragePoint(p.millis, book, unpack_foreseen(p.foreseen), p.evidence, p.log_evidence)
        for p, book in zip(row.points, unpack_books(row.books, len(row.points)), strict=True)
        if alike
    )
    return AveragedRow(row.patient_id, row.particles, members, row.ledger, row.held, points, row.desk, alike)


def begun_twin(
    patient_id: str,
    models: Model | Rivals,
    particles: int = PARTICLES,
    thresholds: Thresholds = DEFAULT,
    adviser: Adviser | None = None,
) -> PatientTwin | AveragedTwin:
    """A twin that has observed nothing, by a model or by rival ones; arguments are those of `twin.PatientTwin`.

    Raises:
        ModelError: a mixture of too many classes.
    """
    followed = _followed(models)
    if isinstance(followed, Rivals):
        return AveragedTwin(patient_id, followed, particles, thresholds=thresholds, adviser=adviser)
    return PatientTwin(patient_id, followed, particles, thresholds=thresholds, adviser=adviser)


def resumed_twin(
    raw: bytes, models: Model | Rivals, thresholds: Thresholds = DEFAULT, adviser: Adviser | None = None
) -> PatientTwin | AveragedTwin:
    """The twin of a row, by a model or by rival ones, as `twin.PatientTwin.from_row`.

    Raises:
        UnreadableState: damaged, or written for another version or other models.
    """
    followed = _followed(models)
    if isinstance(followed, Rivals):
        return AveragedTwin.from_row(raw, followed, thresholds, adviser)
    return PatientTwin.from_row(raw, followed, thresholds, adviser)


def _followed(models: Model | Rivals) -> Model | Rivals:
    """What a twin goes by: a mixture by its classes."""
    return classes_of(models) if isinstance(models, Model) and models.mixture is not None else models


def histories_in(raw: bytes) -> tuple[History, ...]:
    """The histories that a twin's row holds, one for each of rival models or classes.

    Raises:
        UnreadableState: damaged, or written for another version.
    """
    return tuple(map(history_in, _of_this_version(raw).twins if _averaged(raw) else [raw]))


def _averaged(raw: bytes) -> bool:
    """Whether a row is that of rival models or classes, by what it begins with."""
    try:
        return isinstance(_begins.decode(raw).version, str)
    except msgspec.MsgspecError as error:
        raise UnreadableState(f"not the row of a twin: {error}") from None


def _decoded(raw: bytes, models: Rivals) -> AverageRow:
    row = _of_this_version(raw)
    if row.models != models.hash or len(row.twins) != len(models.models):
        raise UnreadableState(f"row of models {row.models}; the patient's are now {models.id} with {models.hash}")
    return row


def _of_this_version(raw: bytes) -> AverageRow:
    try:
        row = _decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise UnreadableState(f"not the row of rival models: {error}") from None
    if row.version != AVERAGE_VERSION:
        raise UnreadableState(f"row of version {row.version!r}; this program reads {AVERAGE_VERSION!r}")
    return row
