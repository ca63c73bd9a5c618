"""What is known of pumps, kidney and values at one moment, as rules see it."""

from __future__ import annotations

from bisect import bisect_right

from twin.alerts.snapshot import KidneyView, RunningView, ValueView
from twin.clock import DAY_MS
from twin.filter.learning import Assimilated
from twin.model.spec import Model
from twin.record.history import History
from twin.record.orders import CREATININE, Orders

WEEK_MS = 7 * DAY_MS
"""How far back creatinine is compared: the time within which KDIGO counts a rise as acute."""


def running_pumps(orders: Orders, history: History, millis: int) -> tuple[RunningView, ...]:
    """Pumps that deliver at ``millis`` by their own last word, with whether they are bound."""
    bound = {view.device_id: view.associated for view in orders.devices(history.contact, millis)}
    return tuple(RunningView(device, drug, since, bound.get(device)) for device, drug, since in orders.running(millis))


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


def value_view(model: Model, learned: Assimilated) -> ValueView:
    """A value that was assimilated, beside what was expected of it."""
    output, expected = model.outputs[learned.observation.output], learned.expected
    q05, _, median, _, q95 = expected.quantiles.tolist()
    return ValueView(output.name, learned.observation.value, output.unit, expected.score, q05, median, q95)
