"""The twin of one patient by several rival models: each model's own twin, folded in step, and their average.

Every model is told every event, and takes what it knows. At each moment at which one of them speaks all are brought
there, and what is said is the average (`twin.patient.rivals`): predictions, estimates, forecasts, and the alerts, whose
probabilities are those of the average too. A condition that only some models state is judged by those. The weights
rest on the data that all models predict as the same output in the same unit, so that a model is neither helped nor
harmed by data the others cannot see; they are of the evidence before a value when that value is predicted.

Like a single twin's, all this is a function of the history: any order of arrival ends in the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from twin.alerts.ledger import AlertLedger, reconcile
from twin.alerts.lifecycle import AlertBook, Transition, advance, to_alert
from twin.alerts.misfit import NO_EVIDENCE, Evidence
from twin.alerts.rules import assess, settings
from twin.alerts.snapshot import NadirView, Snapshot, SurpriseView
from twin.clock import UNIT_MS
from twin.events import Alert, Estimate, Forecast, InputEvent, Nadir, OutputEvent, Prediction, Rejected, from_millis
from twin.filter.belief import Belief
from twin.filter.expectation import SCATTER_POINTS, expected_of
from twin.filter.learning import Assimilated
from twin.filter.trunk import rhythm_of
from twin.model.spec import OutputSpec
from twin.patient.reading import envelope, exposure_view, nadir_view, prediction_of
from twin.patient.rivals import Rivals, WeightedMember, exposures, forecast_bands, nadir, output_bands, pooled, shares
from twin.patient.state_row import UnreadableState, pack_nadir, unpack_nadir
from twin.patient.twin import PARTICLES, PatientTwin, Posterior, Step, Update, earliest

AVERAGE_VERSION = "average 1"
"""Raise when the meaning of a row changes."""


class AveragePoint(msgspec.Struct, frozen=True, array_like=True):
    """Where the average stands after everything at or before ``millis``: alerts, the last nadir, surprise, and each
    model's log evidence from the data that all models predict."""

    millis: int
    book: AlertBook
    nadir: bytes | None
    surprise: Evidence
    log_evidence: tuple[float, ...]


class AverageRow(msgspec.Struct, frozen=True, array_like=True):
    """All of an averaged twin that is not derived: the rows of its models' twins, alerts, and points."""

    version: str
    patient_id: str
    models: str
    particles: int
    twins: list[bytes]
    ledger: AlertLedger
    points: list[AveragePoint]


Met = dict[int, Assimilated]
"""One measured value as the models met it, by the model's number."""


class AveragedTwin:
    """One patient's twin by rival models (see the module docstring). Pure, as `twin.PatientTwin`.

    Args:
        patient_id: pseudonym; part of the key of all randomness.
        models: from `twin.patient.rivals.rivals`; the first sets the rhythm.
        particles: size of each model's cloud.
    """

    def __init__(self, patient_id: str, models: Rivals, particles: int = PARTICLES) -> None:
        rhythm = rhythm_of(models.models[0])
        twins = [PatientTwin(patient_id, model, particles, rhythm) for model in models.models]
        self._adopt(patient_id, models, particles, twins)

    def _adopt(self, patient_id: str, models: Rivals, particles: int, twins: list[PatientTwin]) -> None:
        self.patient_id = patient_id
        self.models = models
        self.particles = particles
        self.ledger = AlertLedger()
        self._twins = twins
        self._points: list[AveragePoint] = []
        self._hash = models.hash

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each model by its id."""
        return dict(zip(self._ids, shares(self._log_evidence).tolist(), strict=True))

    @property
    def beliefs(self) -> dict[str, Belief]:
        """Present belief of each model by its id."""
        return {model_id: twin.belief for model_id, twin in zip(self._ids, self._twins, strict=True)}

    def posteriors(self) -> dict[str, Posterior]:
        """Each model's belief as arrays, by its id."""
        return {model_id: twin.posterior() for model_id, twin in zip(self._ids, self._twins, strict=True)}

    def observe(self, events: Sequence[InputEvent]) -> Update:
        """Tell the twin events, in any order. What no model can use is rejected, with the first model's reason."""
        received = [twin.receive(events) for twin in self._twins]
        refused = [{rejected.event_id for rejected in one.rejected} for one in received]
        refused_by_all = set.intersection(*refused)
        rejected: tuple[Rejected, ...] = tuple(one for one in received[0].rejected if one.event_id in refused_by_all)
        since = earliest(time for one in received for time in (one.since, one.contact))
        if since is not None:
            self._set_back(since)
        return Update(self._fold() if since is not None or self._passed() else (), rejected)

    def is_routine(self, event: InputEvent) -> bool:
        """Whether telling this event costs microseconds to every model."""
        return all(twin.is_routine(event) for twin in self._twins)

    def row(self) -> bytes:
        """The twin's state; `from_row` gives back a twin that goes on to the same bytes."""
        return msgspec.msgpack.encode(
            AverageRow(
                AVERAGE_VERSION,
                self.patient_id,
                self._hash,
                self.particles,
                [twin.row() for twin in self._twins],
                self.ledger,
                self._points,
            )
        )

    @classmethod
    def from_row(cls, raw: bytes, models: Rivals) -> AveragedTwin:
        """The twin of a row.

        Raises:
            BadRow: damaged, or written for another version or other models.
        """
        try:
            row = msgspec.msgpack.decode(raw, type=AverageRow)
        except msgspec.MsgspecError as error:
            raise UnreadableState(f"not the row of rival models: {error}") from None
        if row.version != AVERAGE_VERSION:
            raise UnreadableState(f"row of version {row.version!r}; this program reads {AVERAGE_VERSION!r}")
        if row.models != models.hash or len(row.twins) != len(models.models):
            raise UnreadableState(f"row of models {row.models}; the patient's are now {models.id} with {models.hash}")
        rhythm = rhythm_of(models.models[0])
        twin = cls.__new__(cls)
        members = [PatientTwin.from_row(r, m, rhythm) for r, m in zip(row.twins, models.models, strict=True)]
        twin._adopt(row.patient_id, models, row.particles, members)
        twin.ledger = row.ledger
        twin._points = list(row.points)
        twin._align()
        return twin

    # --- the fold ----------------------------------------------------------------------------------------------------

    @property
    def _ids(self) -> tuple[str, ...]:
        return tuple(model.id for model in self.models.models)

    @property
    def _log_evidence(self) -> tuple[float, ...]:
        return self._points[-1].log_evidence if self._points else (0.0,) * len(self._twins)

    def _due(self) -> int | None:
        return earliest(twin.due() for twin in self._twins)

    def _newest(self) -> int | None:
        return max((t.history.newest for t in self._twins if t.history.newest is not None), default=None)

    def _passed(self) -> bool:
        due, newest = self._due(), self._newest()
        return due is not None and newest is not None and due <= newest

    def _set_back(self, since: int) -> None:
        for twin in self._twins:
            twin.set_back(since)
        while self._points and self._points[-1].millis >= since:
            self._points.pop()
        self._align()

    def _align(self) -> None:
        """Set everything back to the newest moment that all still know: each keeps older points of its own choice."""
        while True:
            last = self._points[-1].millis if self._points else None
            for twin in self._twins:
                if twin.points and (last is None or twin.points[-1].millis > last):
                    twin.set_back(twin.points[0].millis if last is None else last + 1)
            begun = [twin for twin in self._twins if last is not None and twin.start is not None and twin.start <= last]
            if all(twin.points and twin.points[-1].millis == last for twin in begun):
                return
            self._points.pop()

    def _fold(self) -> tuple[OutputEvent, ...]:
        newest = self._newest()
        if newest is None:
            return ()
        since, book = -(2**62), AlertBook()
        if self._points:
            since, book = self._points[-1].millis, self._points[-1].book
        outputs: list[OutputEvent] = []
        transitions: list[Transition] = []
        while (due := self._due()) is not None and due <= newest:
            said, moved = self._step(due)
            outputs += said
            transitions += moved
            book = self._points[-1].book
        kept = {point.millis for twin in self._twins for point in twin.points}
        self._points = [point for point in self._points if point.millis in kept]
        return (*outputs, *self._alerts(book, transitions, since, newest))

    def _alerts(self, book: AlertBook, transitions: list[Transition], since: int, until: int) -> list[Alert]:
        self.ledger, revisions = reconcile(self.ledger, book, transitions, since, until)
        names = {"patient_id": self.patient_id, "model": self.models.id, "model_hash": self._hash}
        return [to_alert(revision.transition, revision.number, **names) for revision in revisions]

    def _step(self, due: int) -> tuple[list[OutputEvent], tuple[Transition, ...]]:
        begun = [i for i, twin in enumerate(self._twins) if twin.start is not None and twin.start <= due]
        ahead = any(self._twins[i].foresees(due) for i in begun)
        steps = {i: self._twins[i].step(due, ahead=ahead) for i in begun}
        before = self._points[-1] if self._points else None
        surprise = NO_EVIDENCE if before is None else before.surprise
        said: list[OutputEvent] = []
        log_evidence = self._log_evidence
        for met in _met(steps):
            prediction, surprise = self._prediction(met, log_evidence, surprise)
            said.append(prediction)
            log_evidence = self._with(met, log_evidence)
        weight = shares([log_evidence[i] for i in begun]).tolist()
        members = [
            WeightedMember(self._twins[i].model, w, steps[i].reading.view) for i, w in zip(begun, weight, strict=True)
        ]
        foreseen = nadir(members) if ahead else None
        known = None if before is None else unpack_nadir(before.nadir)
        ahead_of = foreseen[2] if foreseen is not None else None if ahead else known
        said.append(self._estimate(members, steps, log_evidence, due))
        if ahead:
            said.append(
                Forecast(
                    **self._envelope("forecast", due),
                    times=tuple(from_millis(int(m)) for m in members[0].view.times),
                    outputs=forecast_bands(members),
                    nadir=ahead_of,
                )
            )
        snapshot = self._snapshot(members, steps, ahead_of, surprise)
        book, moved = advance(
            AlertBook() if before is None else before.book, assess(snapshot), snapshot, settings(), self._hash
        )
        self._points.append(AveragePoint(due, book, pack_nadir(ahead_of), surprise, log_evidence))
        return said, moved

    # --- what is said ------------------------------------------------------------------------------------------------

    def _envelope(self, kind: str, millis: int, *parts: object) -> dict[str, Any]:
        return envelope(kind, self.patient_id, self.models.id, self._hash, millis, *parts)

    def _output(self, model: int, one: Assimilated) -> OutputSpec:
        return self.models.models[model].outputs[one.observation.output]

    def _alike(self, met: Met) -> dict[int, Assimilated]:
        """The models that took the value for the output that the first of them did."""
        first = next(iter(met))
        output = self._output(first, met[first])
        return {
            i: one
            for i, one in met.items()
            if (self._output(i, one).name, self._output(i, one).unit) == (output.name, output.unit)
        }

    def _with(self, met: Met, log_evidence: tuple[float, ...]) -> tuple[float, ...]:
        """Log evidence after a value, where all models predicted the same output."""
        alike = self._alike(met)
        if len(alike) < len(self._twins):
            return log_evidence
        return tuple(known + alike[i].log_evidence for i, known in enumerate(log_evidence))

    def _prediction(self, met: Met, log_evidence: tuple[float, ...], surprise: Evidence) -> tuple[Prediction, Evidence]:
        alike = self._alike(met)
        weight = shares([log_evidence[i] for i in alike])
        first = next(iter(alike))
        output, observation = self._output(first, alike[first]), alike[first].observation
        expected = [one.expected for one in alike.values()]
        flat, each = pooled((share, e.scattered, e.each) for share, e in zip(weight.tolist(), expected, strict=True))
        pit = sum(share * e.pit for share, e in zip(weight.tolist(), expected, strict=True))
        resolved = 0.5 * SCATTER_POINTS * float((each * each).sum())
        together = expected_of(output, observation, flat, each, pit, resolved=resolved)
        # Before any datum the rivals count alike.
        population = float(np.mean([one.population_median for one in alike.values()]))
        head = self._envelope("prediction", observation.millis, observation.event_id)
        names = self._names()
        surprise = surprise.after(together.score, names.index(output.name), together.innovation)
        return prediction_of(head, output, observation, together, population), surprise

    def _names(self) -> list[str]:
        """Names of all outputs, each once, in the order of the models."""
        return list(dict.fromkeys(output.name for model in self.models.models for output in model.outputs))

    def _estimate(
        self, members: Sequence[WeightedMember], steps: dict[int, Step], log_evidence: tuple[float, ...], due: int
    ) -> Estimate:
        alone = [step.reading.estimate for step in steps.values()]
        top = max(log_evidence)
        return Estimate(
            **self._envelope("estimate", due),
            outputs=output_bands(members),
            parameters=(),
            exposure=tuple(exposure for _, exposure in exposures(members)),
            delivered_rate={drug: rate for one in reversed(alone) for drug, rate in one.delivered_rate.items()},
            delivered={drug: amount for one in reversed(alone) for drug, amount in one.delivered.items()},
            ess=_ess(members),
            log_evidence=float(top + np.log(np.mean(np.exp(np.array(log_evidence) - top)))),
            observations=max(one.observations for one in alone),
            model_weights=dict(zip(self._ids, shares(log_evidence).tolist(), strict=True)),
        )

    def _snapshot(
        self, members: Sequence[WeightedMember], steps: dict[int, Step], foreseen: Nadir | None, surprise: Evidence
    ) -> Snapshot:
        alone = [step.reading.snapshot for step in steps.values()]
        delivery = {view.drug: view for one in reversed(alone) for view in one.delivery}
        observed = [one.last_observation_ms for one in alone if one.last_observation_ms is not None]
        return replace(
            alone[0],
            ess=_ess(members),
            last_observation_ms=max(observed, default=None),
            delivery=tuple(delivery.values()),
            exposures=tuple(
                exposure_view(target.name, target.drug, exposure, members[0].view.running)
                for target, exposure in exposures(members)
            ),
            nadir=self._nadir_view(foreseen),
            surprise=self._surprise(surprise),
        )

    def _nadir_view(self, foreseen: Nadir | None) -> NadirView | None:
        for model in self.models.models:
            if foreseen is not None and model.toxicities and model.toxicities[0].output == foreseen.output:
                return nadir_view(model.toxicities[0], UNIT_MS[model.time_unit], foreseen)
        return None

    def _surprise(self, surprise: Evidence) -> SurpriseView | None:
        if not surprise.count:
            return None
        output = self._names()[surprise.output]
        return SurpriseView(self.models.id, surprise.total, surprise.count, output, surprise.innovation)


def _met(steps: dict[int, Step]) -> list[Met]:
    """The values that were assimilated, in the order in which they were, and by which models."""
    found: dict[str, Met] = {}
    for i, step in steps.items():
        for one in step.learned:
            found.setdefault(one.observation.event_id, {})[i] = one
    return list(found.values())


def _ess(members: Iterable[WeightedMember]) -> float:
    """Effective number of particles of the average."""
    return float(1.0 / sum(member.share**2 * float((member.view.weight**2).sum()) for member in members))
