"""What is known of pumps, kidney and values at one moment, as rules see it."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from twin.alerts.snapshot import ClockView, CountView, KidneyView, ReportView, RunningView, StudiedView, ValueView
from twin.arrays import Floats
from twin.clock import DAY_MS
from twin.filter.learning import Assimilated
from twin.model.spec import Model, output_index
from twin.patient.ahead.levels import quantiles_of
from twin.record.history import History
from twin.record.orders import CREATININE, Orders

NEUTROPHILS, COUNT_UNIT = ("neutrophils", "ANC"), "10*9/L"
"""What models call them, by name or alias, and their unit."""

WEEK_MS = 7 * DAY_MS
"""How far back creatinine is compared: the time within which KDIGO counts a rise as acute."""


def running_pumps(orders: Orders, history: History, millis: int) -> tuple[RunningView, ...]:
    """Pumps that deliver at ``millis`` by their own last word, with whether they are bound."""
    bound = {view.device_id: view.associated for view in orders.devices(history.contact, millis)}
    return tuple(RunningView(device, drug, since, bound.get(device)) for device, drug, since in orders.running(millis))


def clocks_of(orders: Orders, history: History, millis: int) -> tuple[ClockView, ...]:
    """Devices whose clock was off by ``millis``, pumps and wearables; of one that speaks as both its newest word."""
    found = {device: (since, behind) for device, behind, since in orders.clocks(millis)}
    for device, turn in history.clocks.off(millis, history.holding.now):
        own = turn.millis, float(turn.behind)
        found[device] = max(own, found.get(device, own))
    return tuple(ClockView(device, behind, since) for device, (since, behind) in sorted(found.items()))


def kidney_of(model: Model, orders: Orders, millis: int) -> KidneyView | None:
    """Creatinine as it was last reported by ``millis``, and the lowest of the week before."""
    unit = next((one.unit for one in model.covariates if one.name == CREATININE), None)
    reported = orders.creatinine(millis)
    if unit is None or not reported:
        return None
    newest, now = reported[-1]
    # A value holds until the next one: the last before the week is the first of it.
    begins = [since for since, _ in reported]
    first = max(bisect_right(begins, newest - WEEK_MS) - 1, 0)
    return KidneyView(now, min(value for _, value in reported[first:]), unit, newest)


def reports_of(model: Model, orders: Orders, millis: int) -> tuple[ReportView, ...]:
    """What was reported last by ``millis`` of every output and covariate of the model."""
    found = []
    read = {one.name for one in model.covariates}
    for report in orders.reports.newest(millis):
        number = output_index(model, report.analyte)
        if number is None and report.analyte not in read:
            continue
        name = report.analyte if number is None else model.outputs[number].name
        decided = orders.reports.decided(report) if report.delay else ()
        when = report.drawn, report.reported, report.delay
        found.append(ReportView(name, report.value, report.unit, *when, tuple(decided)))
    return tuple(found)


def studied_of(model: Model, covariates: Floats) -> tuple[StudiedView, ...]:
    """Characteristics (C,) beside those of the patients that the model's effects were learnt from."""
    return tuple(
        StudiedView(model.id, one.name, float(value), one.unit, *one.studied)
        for one, value in zip(model.covariates, covariates, strict=False)
        if one.studied is not None
    )


def temperatures_of(history: History, millis: int) -> tuple[tuple[int, float], ...]:
    """Temperatures of fevers of the day before ``millis``, with when (ms) they were read."""
    return history.fevers.between(millis - DAY_MS, millis, history.holding.now)


def neutrophils_of(model: Model, values: Floats, weight: Floats, share: float = 1.0) -> CountView | None:
    """Neutrophils now, of N particles with weights (N,) and outputs (O, N), where the model has them in 10*9/L.

    A particle whose count is no number says nothing of it.
    """
    for name in NEUTROPHILS:
        number = output_index(model, name)
        if number is not None and model.outputs[number].unit == COUNT_UNIT:
            known = np.isfinite(values[number]) & (weight > 0)
            if not known.any():
                return None
            quantiles = quantiles_of(values[number][known], weight[known])
            return CountView(model.outputs[number].name, ((share, quantiles),))
    return None


def value_view(model: Model, learned: Assimilated) -> ValueView:
    """A value that was assimilated, beside what was expected of it."""
    output, expected = model.outputs[learned.observation.output], learned.expected
    q05, _, median, _, q95 = expected.quantiles.tolist()
    return ValueView(output.name, learned.observation.value, output.unit, expected.score, q05, median, q95)
