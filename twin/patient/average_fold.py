"""The average of rival models, folded along one patient's record: each model's own fold in step with the others.

Every model receives every event, and uses what it knows. At each moment at which one of them has something to publish
all are brought there, and what is published is the average (`twin.patient.rivals`): predictions, estimates, forecasts,
and the alerts, whose probabilities are those of the average too. A condition that only some models state is judged by
those. The weights rest on the data that all models predict as the same output in the same unit, so that a model is
neither helped nor harmed by data the others cannot see; a value is predicted with the weights before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twin.alerts.lifecycle import AlertBook, Transition, advance
from twin.alerts.misfit import NO_EVIDENCE, Evidence
from twin.alerts.rules import assess, settings
from twin.alerts.snapshot import CountView, LevelView, Snapshot, SurpriseView, ToxicityView, ValueView
from twin.alerts.thresholds import DEFAULT, Thresholds
from twin.events import (
    Band,
    Estimate,
    Forecast,
    InputEvent,
    OutputEvent,
    Prediction,
    Rejected,
    ToxicityAhead,
    Withdrawn,
    from_millis,
)
from twin.filter.expectation import pooled_expectation
from twin.filter.learning import Assimilated
from twin.filter.quantiles import pooled
from twin.model.spec import OutputSpec
from twin.observation.likelihood import output_of
from twin.patient.accounts.component import Component
from twin.patient.accounts.view import exposure_view, mixed
from twin.patient.ahead.bedside import neutrophils_of, value_view
from twin.patient.ahead.levels import level_view
from twin.patient.ahead.toxicities import kept, nadir_of, since_of, standing, view_of
from twin.patient.bands import parameter_bands, withdrawals
from twin.patient.fold import Advising, Step, earliest
from twin.patient.live_record import Received
from twin.patient.model_fold import ModelFold, ModelStep
from twin.patient.reading import envelope, prediction_of
from twin.patient.rivals import (
    Rivals,
    WeightedMember,
    exposures,
    forecast_bands,
    output_bands,
    shares,
    toxic_now,
    toxicities,
)
from twin.record.orders import Orders
from twin.record.origins import Matter, Origins, together
from twin.timeline.timeline import Timeline


@dataclass(frozen=True)
class AveragePoint:
    """Where the average stands after everything at or before ``millis``: alerts, toxicities last foreseen, evidence
    against the average, and each model's log evidence from the data that all models predict, with its log prior odds.
    """

    millis: int
    book: AlertBook
    foreseen: tuple[ToxicityAhead, ...]
    evidence: Evidence
    log_evidence: tuple[float, ...]


@dataclass(frozen=True)
class Predicted:
    """Values that were assimilated at a step: what is published of them, what rules see of them, evidence against the
    average and for each model after them."""

    published: tuple[Prediction, ...]
    values: tuple[ValueView, ...]
    evidence: Evidence
    log_evidence: tuple[float, ...]


Met = dict[int, Assimilated]
"""One measured value as the models met it, by the model's number."""


class AverageFold:
    """The folds of rival models in step (see the module docstring).

    Args:
        patient_id: pseudonym.
        rivals: the models.
        members: each model's fold, in their order, all with one rhythm.
        points: of an average that is taken up again.
        thresholds: that the rules are judged by.
    """

    def __init__(
        self,
        patient_id: str,
        rivals: Rivals,
        members: Sequence[ModelFold],
        points: Iterable[AveragePoint] = (),
        thresholds: Thresholds = DEFAULT,
    ) -> None:
        self.members = tuple(members)
        self.history = self.members[0].history
        self.points = list(points)
        self._patient_id = patient_id
        self._rivals = rivals
        self._hash = rivals.hash
        self._thresholds = thresholds
        self._align()

    @property
    def log_evidence(self) -> tuple[float, ...]:
        """Each model's log evidence, from the data that all of them predict, with its log prior odds."""
        return self.points[-1].log_evidence if self.points else self._rivals.log_prior

    @property
    def orders(self) -> Orders:
        """Plans and device bindings."""
        return self.members[0].orders

    @property
    def timelines(self) -> tuple[Timeline | None, ...]:
        """The record as each model has it."""
        return tuple(member.record.timeline for member in self.members)

    @property
    def newest(self) -> int | None:
        """Time (ms) of the newest event that a model could use."""
        return max((m.newest for m in self.members if m.newest is not None), default=None)

    def held(self, patient_id: str, model_hash: str) -> dict[str, Transition]:
        """The alerts about what some model's record holds, by their ids."""
        return {
            name: alert
            for member in reversed(self.members)
            for name, alert in member.held(patient_id, model_hash).items()
        }

    def components(self, millis: int) -> tuple[Component, ...]:
        """What is believed at ``millis`` by each model, with its weight by now."""
        return self._components(millis, self.log_evidence)

    def _components(self, millis: int, log_evidence: Sequence[float]) -> tuple[Component, ...]:
        weights = shares(log_evidence).tolist()
        each = [member.components(millis, share) for member, share in zip(self.members, weights, strict=True)]
        return tuple(component for components in each for component in components)

    def due(self) -> int | None:
        """The next time (ms) at which a model has something to publish."""
        return earliest(member.due() for member in self.members)

    def receive(self, events: Sequence[InputEvent]) -> Received:
        """Take events into every model's record. What no model can use is rejected, with the first model's reason."""
        received = [member.receive(events) for member in self.members]
        refused_by_all = set.intersection(*({rejected.event_id for rejected in one.rejected} for one in received))
        rejected: tuple[Rejected, ...] = tuple(one for one in received[0].rejected if one.event_id in refused_by_all)
        return Received(earliest(r.since for r in received), earliest(r.contact for r in received), rejected)

    def withdrawn(self, said: Iterable[OutputEvent]) -> list[Withdrawn]:
        """What has no reason any more in any model, as what was received shows, after all that is ``said`` again."""
        found = withdrawals(self.members, self._envelope, said)
        gone = {"classes": self._rivals.classes}
        return [one if one.estimated else one.model_copy(update=gone) for one in found] if gone["classes"] else found

    def settles(self, event: InputEvent) -> bool:
        """Whether an event is the word of a pump while one is silent."""
        return any(member.settles(event) for member in self.members)

    def set_back(self, since: int) -> None:
        """Forget the points from ``since`` (ms) on, and those that some model does not know any more."""
        for member in self.members:
            member.set_back(since)
        while self.points and self.points[-1].millis >= since:
            self.points.pop()
        self._align()

    def step(self, due: int, *, ahead: bool | None = None, advising: Advising | None = None) -> Step:
        """Fold every model that has begun on to ``due`` (ms), and average what they read there.

        Raises:
            ValueError: no model has begun.
        """
        begun = [i for i, member in enumerate(self.members) if member.start is not None and member.start <= due]
        if not begun:
            raise ValueError(f"the record of {self._patient_id!r} holds nothing that a belief could rest on")
        ahead = any(self.members[i].foresees(due) for i in begun) if ahead is None else ahead
        steps = {i: self.members[i].step(due, ahead=ahead) for i in begun}
        met = self._predicted(steps)
        log_evidence = met.log_evidence
        weight = shares([log_evidence[i] for i in begun]).tolist()
        members = [
            WeightedMember(self.members[i].model, share, steps[i].reading.view)
            for i, share in zip(begun, weight, strict=True)
        ]
        foreseen = self._foreseen(members, due, ahead=ahead)
        published: list[Estimate | Forecast | Prediction] = [
            *met.published,
            self._estimate(members, steps, log_evidence, due),
        ]
        if ahead:
            published.append(self._forecast(members, foreseen, due))
        snapshot = self._snapshot(members, steps, foreseen, met)
        if advising is not None:
            snapshot = replace(snapshot, advice=advising(due, lambda: self._components(due, log_evidence)))
        book = self.points[-1].book if self.points else AlertBook()
        found = assess(snapshot, self._thresholds)
        book, moved = advance(book, found, snapshot, settings(self._thresholds), self._hash, self._origins_of)
        self._keep(AveragePoint(due, book, foreseen, met.evidence, log_evidence))
        return Step(tuple(published), moved, snapshot)

    def _origins_of(self, matter: Matter) -> Origins:
        """Of which events of the models' records something is judged."""
        return together(member.origins_of(matter) for member in self.members)

    def _keep(self, point: AveragePoint) -> None:
        """Add a point, and leave out those that no model knows any more."""
        kept = {millis for member in self.members for millis in member.points.millis}
        self.points = [known for known in (*self.points, point) if known.millis in kept]

    def _align(self) -> None:
        """Set everything back to the newest moment that all still know: each keeps older points of its own choice."""
        while True:
            last = self.points[-1].millis if self.points else None
            for member in self.members:
                if member.points and (last is None or member.points[-1].millis > last):
                    member.set_back(member.points[0].millis if last is None else last + 1)
            begun = [m for m in self.members if last is not None and m.start is not None and m.start <= last]
            if all(member.points and member.points[-1].millis == last for member in begun):
                return
            self.points.pop()

    # --- values that were measured -----------------------------------------------------------------------------------

    def _predicted(self, steps: dict[int, ModelStep]) -> Predicted:
        """Every value that was assimilated, as the average by then expected it."""
        before = self.points[-1].evidence if self.points else NO_EVIDENCE
        found = Predicted((), (), before, self.log_evidence)
        for met in _met(steps):
            found = self._after(found, met)
        return found

    def _after(self, before: Predicted, met: Met) -> Predicted:
        """What is known after one more value."""
        alike, log_evidence = self._alike(met), before.log_evidence
        weight = shares([log_evidence[i] for i in alike]).tolist()
        first = next(iter(alike))
        output, observation = self._output(first, alike[first]), alike[first].observation
        together = pooled_expectation(output, observation, weight, [one.expected for one in alike.values()])
        # Before any datum the rivals count by their prior odds.
        prior = shares([self._rivals.log_prior[i] for i in alike])
        population = float(prior @ np.array([one.population_median for one in alike.values()]))
        head = self._envelope("prediction", observation.time, observation.event_id)
        return Predicted(
            (*before.published, prediction_of(head, output, observation, together, population)),
            (*before.values, value_view(self._rivals.models[first], replace(alike[first], expected=together))),
            before.evidence.after(together.score, self._names().index(output.name), together.innovation),
            self._with(met, log_evidence),
        )

    def _alike(self, met: Met) -> Met:
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
        if len(alike) < len(self.members):
            return log_evidence
        return tuple(known + alike[i].log_evidence for i, known in enumerate(log_evidence))

    def _output(self, model: int, one: Assimilated) -> OutputSpec:
        return output_of(self._rivals.models[model].outputs, one.observation)

    def _names(self) -> list[str]:
        """Names of all outputs, each once, in the order of the models."""
        return list(dict.fromkeys(output.name for model in self._rivals.models for output in model.outputs))

    # --- the average read --------------------------------------------------------------------------------------------

    def _foreseen(self, members: Sequence[WeightedMember], due: int, *, ahead: bool) -> tuple[ToxicityAhead, ...]:
        """The toxicities ahead; without a forecast the last ones still stand."""
        before = self.points[-1].foreseen if self.points else ()
        since = standing(toxic_now(members), since_of(before), due)
        return toxicities(members, due, since) if ahead else kept(before, since)

    def _forecast(self, members: Sequence[WeightedMember], foreseen: tuple[ToxicityAhead, ...], due: int) -> Forecast:
        return Forecast(
            **self._envelope("forecast", due),
            times=tuple(from_millis(int(m)) for m in members[0].view.times),
            outputs=forecast_bands(members),
            nadir=nadir_of(foreseen),
            toxicities=foreseen,
        )

    def _estimate(
        self, members: Sequence[WeightedMember], steps: dict[int, ModelStep], log_evidence: tuple[float, ...], due: int
    ) -> Estimate:
        alone = [step.reading.estimate for step in steps.values()]
        top = max(log_evidence)
        weights = dict(zip(self._rivals.ids, shares(log_evidence).tolist(), strict=True))
        mixture = bool(self._rivals.classes)
        return Estimate(
            **self._envelope("estimate", due),
            outputs=output_bands(members),
            parameters=self._parameters(members, steps) if mixture else (),
            exposure=tuple(exposure for _, exposure in exposures(members)),
            delivered_rate={drug: rate for one in reversed(alone) for drug, rate in one.delivered_rate.items()},
            delivered={drug: amount for one in reversed(alone) for drug, amount in one.delivered.items()},
            ess=_ess(members),
            log_evidence=float(top + np.log(np.mean(np.exp(np.array(log_evidence) - top)))),
            observations=max(one.observations for one in alone),
            kernel_hash=",".join(one.kernel_hash for one in alone),
            model_weights=None if mixture else weights,
            class_probability=weights if mixture else None,
            running={drug: p for one in reversed(alone) for drug, p in (one.running or {}).items()} or None,
            taken={drug: p for one in reversed(alone) for drug, p in (one.taken or {}).items()} or None,
            notes=tuple(dict.fromkeys(note for one in alone for note in one.notes or ())) or None,
            due=alone[0].due,
            planned=alone[0].planned,
        )

    def _parameters(self, members: Sequence[WeightedMember], steps: dict[int, ModelStep]) -> tuple[Band, ...]:
        """Individual parameters of who may be of each class, which all of them have."""
        each = [self.members[i].individual() for i in steps]
        par, weight = pooled((one.share, *own) for one, own in zip(members, each, strict=True))
        return parameter_bands(members[0].model, self.members[0].trunk.kernel.parameters, par.T, weight)

    def _snapshot(
        self,
        members: Sequence[WeightedMember],
        steps: dict[int, ModelStep],
        foreseen: Sequence[ToxicityAhead],
        met: Predicted,
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
                exposure_view(window, exposure, alone[0].time_ms) for window, exposure in exposures(members)
            ),
            toxicities=self._toxicities(members, alone, foreseen),
            particles=sum(one.particles for one in alone),
            levels=self._levels(members, alone),
            surprise=self._surprise(met.evidence),
            values=met.values,
            studied=tuple({replace(view, model=self._rivals.id): None for one in alone for view in one.studied}),
            neutrophils=_neutrophils(members) if alone[0].temperatures else None,
        )

    def _levels(self, members: Sequence[WeightedMember], alone: Sequence[Snapshot]) -> tuple[LevelView, ...]:
        """Levels at lines ahead, of one model or of the classes of a mixture, which have the same lines."""
        if len(alone) == 1 or not self._rivals.classes:
            return alone[0].levels if len(alone) == 1 else ()
        view = mixed([one.view for one in members], [one.share for one in members])
        return tuple(level_view(line, members[0].model, values, view.weight) for line, values in view.levels)

    def _toxicities(
        self, members: Sequence[WeightedMember], alone: Sequence[Snapshot], foreseen: Sequence[ToxicityAhead]
    ) -> tuple[ToxicityView, ...]:
        millis = alone[0].time_ms
        now = toxic_now(members)
        known = {view.name: view for one in reversed(alone) for view in one.toxicities}
        return tuple(
            view_of(one, known[one.name].horizon_hours, now[one.name], millis, known[one.name].measured)
            for one in foreseen
        )

    def _surprise(self, evidence: Evidence) -> SurpriseView | None:
        if not evidence.count:
            return None
        output = self._names()[evidence.output]
        return SurpriseView(self._rivals.id, evidence.total, evidence.count, output, evidence.innovation)

    def _envelope(self, kind: str, millis: int, *parts: object) -> dict[str, Any]:
        return envelope(kind, self._patient_id, self._rivals.id, self._hash, millis, *parts)


def _met(steps: dict[int, ModelStep]) -> list[Met]:
    """The values that were assimilated, in the order in which they were, and by which models."""
    found: dict[str, Met] = {}
    for i, step in steps.items():
        for one in step.learned:
            found.setdefault(one.observation.event_id, {})[i] = one
    return list(found.values())


def _neutrophils(members: Iterable[WeightedMember]) -> CountView | None:
    """Neutrophils now, of the models that have them, by their shares."""
    each = (neutrophils_of(one.model, one.view.out, one.view.weight, one.share) for one in members)
    found = [one for one in each if one is not None]
    parts = [part for one in found for part in one.parts]
    total = sum(share for share, _ in parts)
    if not total > 0:
        return None
    return CountView(found[0].output, tuple((share / total, values) for share, values in parts))


def _ess(members: Iterable[WeightedMember]) -> float:
    """Effective number of particles of the average."""
    return float(1.0 / sum(member.share**2 * float((member.view.weight**2).sum()) for member in members))
