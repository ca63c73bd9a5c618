"""A belief read at one instant: the estimate, the forecast, and the snapshot its rules judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.alerts.misfit import Evidence
from twin.alerts.snapshot import CounterView, Snapshot, SurpriseView
from twin.arrays import Floats
from twin.clock import HOUR_MS, UNIT_MS
from twin.events import (
    Band,
    Estimate,
    Exposure,
    Forecast,
    Prediction,
    Quantity,
    ToxicityAhead,
    event_id,
    from_millis,
    share_names,
)
from twin.filter.belief import Belief
from twin.filter.expectation import Expectation
from twin.filter.learning import Assimilated
from twin.filter.quantiles import pooled
from twin.filter.trunk import Trunk, TrunkPosition
from twin.model.spec import Model, OutputSpec
from twin.observation.observation import Observation
from twin.patient.accounts.delivered import delivery_views, expected
from twin.patient.accounts.standing import Standing, log_total, running, shares, taken
from twin.patient.accounts.view import Exposed, View, exposure_view, mixed
from twin.patient.ahead.bedside import (
    clocks_of,
    kidney_of,
    neutrophils_of,
    reports_of,
    running_pumps,
    studied_of,
    temperatures_of,
    value_view,
)
from twin.patient.ahead.due import due_of, planned_of
from twin.patient.ahead.levels import level_view, lines_ahead
from twin.patient.ahead.toxicities import (
    Now,
    Since,
    all_ahead,
    kept,
    nadir_of,
    now_of,
    present,
    since_of,
    standing,
    views_of,
)
from twin.patient.ahead.toxicities import reading as toxic_reading
from twin.patient.bands import (
    Priors,
    exposure_reading,
    forecast_bands,
    forecast_times,
    output_bands,
    parameter_bands,
)
from twin.record.history import History
from twin.record.orders import Orders
from twin.solver.exposure_end import Window, windows
from twin.solver.linear_system import individual_parameters
from twin.solver.step_control import steps_note
from twin.timeline.planned_future import extended
from twin.timeline.pumps.mismatch import Mismatch
from twin.timeline.pumps.silence import Open
from twin.timeline.pumps.taking import Uncertain
from twin.timeline.segments import Segment
from twin.timeline.timeline import Timeline
from twin.units import AMOUNT_UNIT, RATE_UNIT

SOURCE = "dosetwin"
"""Source of every output event."""

COURSE_GAP_MS = 72 * HOUR_MS
"""Time without delivery that ends a course of a drug without an exposure target (assumed)."""


@dataclass(frozen=True)
class Reading:
    """One emission: the outputs, what rules may look at, and what it sums up."""

    estimate: Estimate
    forecast: Forecast | None
    snapshot: Snapshot
    foreseen: tuple[ToxicityAhead, ...]
    view: View


class Reader:
    """Reads positions of one patient's trunk, by a ``model`` with the kernel's equations. Every reading follows from
    its arguments alone."""

    def __init__(self, trunk: Trunk, model: Model) -> None:
        self._trunk = trunk
        self._model = model
        self._unit = UNIT_MS[self._model.time_unit]
        self._bands: tuple[Belief, Segment, Floats, tuple[Band, ...]] | None = None
        self._priors = Priors(trunk.kernel)
        self._steps: tuple[Timeline, str | None] | None = None

    def prediction(self, learned: Assimilated) -> Prediction:
        """The expectation that a measured value met."""
        observation = learned.observation
        head = self.envelope("prediction", observation.time, observation.event_id)
        output = self._model.outputs[observation.output]
        return prediction_of(head, output, observation, learned.expected, learned.population_median)

    def read(
        self,
        standings: Sequence[Standing],
        silence: Sequence[Open],
        doses: Sequence[Uncertain],
        history: History,
        orders: Orders,
        millis: int,
        *,
        ahead: bool,
        foreseen: tuple[ToxicityAhead, ...],
        evidence: Evidence,
        mismatch: Mismatch | None = None,
        learned: Sequence[Assimilated] = (),
    ) -> Reading:
        """Read the belief at ``millis``; with ``ahead`` also forecast, else what was ``foreseen`` last still stands.

        It is the mixture of its accounts, ``standings``, while channels are silent (``silence``) or it is in doubt
        whether ``doses`` were taken.
        """
        share = shares([one.log_weight for one in standings])
        before = since_of(foreseen)
        views = [self._view(one.position, orders, one.timeline, millis, before, ahead=ahead) for one in standings]
        view = mixed(views, share)
        exposures = tuple(
            exposure_reading(one.window.target, one.so_far, one.at_end, view.weight, known=one.window.known)
            for one in view.exposures
        )
        estimate = self._estimate(standings, share, silence, doses, orders, millis, view, exposures)
        now = self._toxic_now(view, estimate)
        since = standing(now, before, millis)
        forecast = None
        if ahead:
            foreseen = tuple(toxic_reading(one, view.weight, millis, since) for one in view.toxicities)
            forecast = Forecast(
                **self.envelope("forecast", millis),
                times=tuple(from_millis(int(m)) for m in view.times),
                outputs=forecast_bands(self._model, view.along, view.weight),
                nadir=nadir_of(foreseen),
                toxicities=foreseen,
            )
        else:
            foreseen = kept(foreseen, since)
        seen = standings[0].timeline.observations[: standings[0].position.belief.observations]
        snapshot = self._snapshot(standings, share, history, orders, millis, exposures, view)
        toxicities = views_of(foreseen, self._model, now, seen, millis)
        fevers = temperatures_of(history, millis)
        snapshot = replace(
            snapshot,
            surprise=self._surprise(evidence),
            toxicities=toxicities,
            counter=None if mismatch is None or mismatch.until > millis else CounterView(*mismatch),
            levels=tuple(level_view(line, self._model, values, view.weight) for line, values in view.levels),
            kidney=kidney_of(self._model, orders, millis),
            particles=len(view.weight),
            values=tuple(value_view(self._model, one) for one in learned),
            temperatures=fevers,
            neutrophils=neutrophils_of(self._model, view.out, view.weight) if fevers else None,
        )
        return Reading(estimate, forecast, snapshot, foreseen, view)

    def _toxic_now(self, view: View, estimate: Estimate) -> dict[str, Now]:
        """The output of each toxicity as it is now."""
        values = {output.name: view.out[i] for i, output in enumerate(self._model.outputs)}
        p_now = present(self._model.toxicities, values, view.weight)
        return now_of(p_now, self._model.toxicities, estimate.outputs)

    def _view(
        self,
        position: TrunkPosition,
        orders: Orders,
        timeline: Timeline,
        millis: int,
        since: Since,
        *,
        ahead: bool,
    ) -> View:
        kernel, plan = self._trunk.kernel, orders.plan(millis)
        future = extended(timeline, kernel, millis, plan)[0] if ahead or self._model.targets else timeline
        open_windows = windows(kernel, timeline, future, plan, millis)
        times = forecast_times(millis, self._trunk.rhythm.horizon) if ahead else np.array([millis], dtype=np.int64)
        ends = {window.end for window in open_windows if window.end is not None and window.ahead is future}
        lines = lines_ahead(self._model, future.delivered.get(self._model.drug), self._gap(self._model.drug), millis)
        marks = np.union1d(times, np.array(sorted({*ends, *(line.millis for line in lines)}), dtype=np.int64))
        out = self._trunk.look(position, future, marks)
        times = times if ahead else times[:0]
        along = out[np.searchsorted(marks, times), : len(self._model.outputs)]
        return View(
            position.belief.weight,
            out[0, : len(self._model.outputs)],
            tuple(self._exposed(window, position, future, marks, out, millis) for window in open_windows),
            times,
            along,
            all_ahead(self._model.toxicities, self._model, times, along, since) if ahead else (),
            tuple((line, out[int(np.searchsorted(marks, line.millis)), line.output]) for line in lines),
        )

    def _gap(self, drug: str) -> int:
        """Time without delivery (ms) that parts one course of a drug from another."""
        gaps = {target.drug: round(target.course_gap * self._unit) for target in self._model.targets}
        return gaps.get(drug, COURSE_GAP_MS)

    def _exposed(
        self,
        window: Window,
        position: TrunkPosition,
        future: Timeline,
        marks: NDArray[np.int64],
        out: Floats,
        millis: int,
    ) -> Exposed:
        """What a target's measure is now and at its end."""
        row = len(self._model.outputs) + window.index
        so_far = np.zeros_like(out[0, row]) if window.fresh else out[0, row]
        if window.end is None:
            return Exposed(window, so_far, None)
        if window.end <= millis:
            return Exposed(window, so_far, so_far)
        if window.ahead is future:
            return Exposed(window, so_far, out[int(np.searchsorted(marks, window.end)), row] / window.per)
        usual = self._trunk.look(position, window.ahead, np.array([window.end], dtype=np.int64))
        return Exposed(window, so_far, usual[0, row] / window.per)

    def with_contacts(self, snapshot: Snapshot, history: History, orders: Orders) -> Snapshot:
        """The snapshot with its devices' reports and clocks as they are known now."""
        millis = snapshot.time_ms
        reported = (replace(v, last_report_ms=orders.last_report(history, millis, v.drug)) for v in snapshot.delivery)
        devices, clocks = orders.devices(history.contact, millis), clocks_of(orders, history, millis)
        return replace(snapshot, delivery=tuple(reported), devices=devices, clocks=clocks)

    def envelope(self, kind: str, millis: int, *parts: object) -> dict[str, Any]:
        """What every output event carries, see `envelope`."""
        return envelope(kind, self._trunk.patient_id, self._model.id, self._model.hash, millis, *parts)

    def _estimate(
        self,
        standings: Sequence[Standing],
        share: Sequence[float],
        silence: Sequence[Open],
        doses: Sequence[Uncertain],
        orders: Orders,
        millis: int,
        view: View,
        exposures: tuple[Exposure, ...],
    ) -> Estimate:
        timeline, belief = standings[0].timeline, standings[0].position.belief
        start = timeline.start
        rate = {drug: expected(standings, share, drug, lambda d: d.rate_at(millis)) for drug in timeline.delivered}
        amount = {drug: expected(standings, share, drug, lambda d: d.amount(start, millis)) for drug in rate}
        return Estimate(
            **self.envelope("estimate", millis),
            outputs=output_bands(self._model, view.out, view.weight),
            parameters=self._parameters(standings, share, millis),
            exposure=exposures,
            delivered_rate={drug: Quantity(value=value, unit=RATE_UNIT) for drug, value in rate.items()},
            delivered={drug: Quantity(value=value, unit=AMOUNT_UNIT) for drug, value in amount.items()},
            ess=_ess(standings, view),
            log_evidence=log_total([one.log_weight for one in standings]),
            observations=belief.observations,
            kernel_hash=self._trunk.kernel.hash,
            priors=self._priors.of(timeline.covariates_at(millis), timeline.widening) or None,
            running=running(standings, silence, millis),
            taken=taken(standings, doses),
            notes=self._notes(timeline, millis) or None,
            due=due_of(orders, millis) or None,
            planned=planned_of(orders, start, millis) or None,
        )

    def _notes(self, timeline: Timeline, millis: int) -> tuple[str, ...]:
        """What of the present courses was told twice and is counted once; and that a record is not followed exactly."""
        if self._steps is None or self._steps[0] is not timeline:  # it looks at every dose
            self._steps = timeline, steps_note(self._trunk.kernel, timeline.delivered)
        rough = self._steps[1]
        twice = (
            one.note(drug)
            for drug, source in sorted(timeline.delivered.items())
            for one in source.told_twice
            if one.start <= millis < one.start + COURSE_GAP_MS
        )
        return (*twice, rough) if rough else tuple(twice)

    def _parameters(self, standings: Sequence[Standing], share: Sequence[float], millis: int) -> tuple[Band, ...]:
        """Bands of the individual parameters; they change with the belief, the covariates and the segment."""
        belief, timeline = standings[0].position.belief, standings[0].timeline
        if len(standings) > 1:
            par, weight = self.individual(standings, share, millis)
            return parameter_bands(self._model, self._trunk.kernel.parameters, par.T, weight)
        covariates, segment = timeline.covariates_at(millis), timeline.segments.at(millis)
        known = self._bands
        if known is None or known[0] is not belief or known[1] != segment or not np.array_equal(known[2], covariates):
            par = self._individual(belief, timeline, millis)
            bands = parameter_bands(self._model, self._trunk.kernel.parameters, par, belief.weight)
            for band in bands:
                share_names(band)
            known = self._bands = belief, segment, covariates, bands
        return known[3]

    def individual(self, standings: Sequence[Standing], share: Sequence[float], millis: int) -> tuple[Floats, Floats]:
        """Individual parameters (P, N) at ``millis`` by all accounts together, and the particles' weights (N,)."""
        return pooled(
            (part, self._individual(one.position.belief, one.timeline, millis).T, one.position.belief.weight)
            for part, one in zip(share, standings, strict=True)
        )

    def _individual(self, belief: Belief, timeline: Timeline, millis: int) -> Floats:
        """Individual parameters (N, P) at ``millis``."""
        effects = self._trunk.effects(belief).at(timeline.segments, timeline.segments.at(millis))
        return individual_parameters(self._trunk.kernel, effects, timeline.covariates_at(millis))

    def _snapshot(
        self,
        standings: Sequence[Standing],
        share: Sequence[float],
        history: History,
        orders: Orders,
        millis: int,
        exposures: tuple[Exposure, ...],
        view: View,
    ) -> Snapshot:
        timeline, seen = standings[0].timeline, standings[0].position.belief.observations
        return Snapshot(
            patient_id=self._trunk.patient_id,
            time_ms=millis,
            ess=_ess(standings, view),
            last_observation_ms=timeline.observations[seen - 1].time if seen else None,
            delivery=delivery_views(standings, share, history, orders, millis, self._gap),
            exposures=tuple(
                exposure_view(one.window, exposure, millis)
                for one, exposure in zip(view.exposures, exposures, strict=True)
            ),
            devices=orders.devices(history.contact, millis),
            running=running_pumps(orders, history, millis),
            clocks=clocks_of(orders, history, millis),
            reports=reports_of(self._model, orders, millis),
            studied=studied_of(self._model, timeline.covariates_at(millis)),
            drug=self._model.drug,
            ordered=orders.ordered(millis),
        )

    def _surprise(self, evidence: Evidence) -> SurpriseView | None:
        if not evidence.count:
            return None
        output = self._model.outputs[evidence.output].name
        return SurpriseView(self._model.id, evidence.total, evidence.count, output, evidence.innovation)


def _ess(standings: Sequence[Standing], view: View) -> float:
    """Effective number of particles, of all accounts together."""
    return standings[0].position.belief.ess if len(standings) == 1 else float(1.0 / (view.weight**2).sum())


def envelope(kind: str, patient_id: str, model: str, model_hash: str, millis: int, *parts: object) -> dict[str, Any]:
    """What every output event carries; ``parts`` distinguish it from others of its kind and instant."""
    return {
        "event_id": event_id(kind, patient_id, model_hash, millis, *parts),
        "patient_id": patient_id,
        "time": from_millis(millis),
        "source": SOURCE,
        "model": model,
        "model_hash": model_hash,
    }


def prediction_of(
    head: dict[str, Any],
    output: OutputSpec,
    observation: Observation,
    expected: Expectation,
    population_median: float,
) -> Prediction:
    """An expectation, and the value it met, as an event with the envelope ``head``."""
    q05, q25, median, q75, q95 = expected.quantiles.tolist()
    return Prediction(
        **head,
        output=output.name,
        unit=output.unit,
        observed=observation.value,
        below=observation.below,
        above=observation.above,
        median=median,
        q05=q05,
        q25=q25,
        q75=q75,
        q95=q95,
        pit=expected.pit,
        innovation=expected.innovation,
        population_median=population_median,
    )
