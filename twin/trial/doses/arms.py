"""The arms of a trial of doses: by which way the doses of a course are chosen.

- ``protocol``: as planned, by body surface or as the model's regimen has it;
- ``published``: by the published rule of the drug where it has one (`twin.dosing.published`), else as planned;
- ``mode``: what brings the exposure at the posterior mode into the middle of its window, at most so much that at the
  mode no limited toxicity comes: what mode-guided (maximum a posteriori) dosing does;
- ``twin``: what is advised on the whole posterior (`twin.dosing.advice`);
- ``horizon``: model predictive control. The firm dose of a plan over the courses that are left, by the posterior as it
  will be after the samples in between (`twin.dosing.horizon.plan`), made anew at each dose; where none can be made, of
  the last dose, as advised. Where the protocol has a window of an output, the dose that keeps it there
  (`twin.dosing.horizon.window`), and ``mode`` is the same at the posterior mode;
- ``known``: what would be advised on who the patient really is, but for the occasions to come. Nobody can do that: it
  is the ceiling of what any way of choosing reaches.

All obey the same protocol: its least and most, steps and caps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from twin.dosing.advice import advise_on
from twin.dosing.decision import Decision, NoAdvice, decision
from twin.dosing.futures import Future, Upcoming, changed
from twin.dosing.horizon.plan import plan_on
from twin.dosing.horizon.window import keep_in_window
from twin.dosing.outlook import Outlook, outlook
from twin.dosing.protocol import Protocol
from twin.dosing.published import range_by_rule
from twin.patient.accounts.component import Component
from twin.trial.doses.single import at_mode

ARMS = ("protocol", "published", "mode", "twin", "horizon", "known")

OF_ONE_CLASS = ("mode",)
"""What needs one most probable patient, and cannot choose by a mixture of classes, each of which has its own."""

HALVINGS = 8
"""Of the range of doses, in search of the one at the mode: to half a hundredth of the plan."""

Doses = tuple[Upcoming, ...]
"""Of the course that begins or is going on, all that is to come; of a plan ahead, what is firm of it."""


class Foreseen(NamedTuple):
    """Doses with the odds that were stated of them.

    Attributes:
        within: that the exposure of the course ends in its window; ``None`` where it is not told.
        reached: by toxicity, that it comes; empty in a course that has begun.
    """

    doses: Doses
    within: float | None
    reached: dict[str, float]


def by_advice(components: Sequence[Component], protocol: Protocol) -> Foreseen:
    """As advised on the whole posterior."""
    advice, target = advise_on(components, protocol), protocol.target_of(components[0].trunk.kernel.model)
    said = advice.advised
    within = {one.target.name: one.within.p for one in said.exposures}
    reached = {} if advice.decision.begun else {one.toxicity.name: one.reached.p for one in said.toxicities}
    return Foreseen(said.doses, None if target is None else within.get(target.name), reached)


def by_horizon(components: Sequence[Component], protocol: Protocol) -> Foreseen:
    """As planned over the courses that are left, or to keep an output in its window."""
    if protocol.window is not None:
        return Foreseen(keep_in_window(components, protocol).doses, None, {})
    try:
        plan = plan_on(components, protocol)
    except NoAdvice:
        return by_advice(components, protocol)
    first = plan.courses[0]
    within = None if first.within is None else first.within.p
    reached = {} if plan.begun else {name: odds.p for name, odds in first.toxicities.items()}
    return Foreseen(plan.doses, within, reached)


def by_rule(component: Component, protocol: Protocol) -> Doses:
    """By the published rule; as planned where it says nothing."""
    decided, _ = decision([component], component.millis, protocol)
    said = range_by_rule(component, decided, protocol)
    if said is None:
        return decided.course
    stays = sum(up.step.amount for up in decided.course) - decided.amount
    return _allowed(decided, protocol, ((said[0] + said[1]) / 2.0 - stays) / decided.amount)


def by_mode(component: Component, protocol: Protocol) -> Doses:
    """By the posterior mode."""
    decided, (planned,) = decision([component], component.millis, protocol)
    until = planned.timeline.latest + 1
    point = at_mode(component, planned.timeline.segments, until)
    if protocol.window is not None:
        return keep_in_window((point,), protocol).doses
    lowest, highest = protocol.lowest, protocol.highest_of(decided.aims)

    def seen(factor: float) -> Outlook:
        return _outlook(point, planned, decided, factor)

    target = protocol.target_of(component.trunk.kernel.model)
    factor = highest
    if target is not None and target.low is not None and target.high is not None:
        middle, name = (target.low + target.high) / 2.0, target.name
        factor = _largest(lowest, factor, lambda one: float(seen(one).exposures[name].value[0]) <= middle)
    limited = [one.name for one in protocol.toxicities_of(component.trunk.kernel.model)]
    if limited:
        factor = _largest(lowest, factor, lambda one: not any(seen(one).toxicities[n].reached[0] for n in limited))
    return _allowed(decided, protocol, factor)


def _largest(low: float, high: float, fits: Callable[[float], bool]) -> float:
    """The largest factor that fits, of a range in which the smaller ones do; the smallest where none does."""
    if fits(high):
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _outlook(point: Component, planned: Future, decided: Decision, factor: float) -> Outlook:
    change = decided.change(tuple(factor for _ in decided.doses))
    future = changed(point, point.millis, planned, [change])
    begins = point.millis if decided.begun else decided.begins
    return outlook([(point, future, planned)], decided.drug, begins, begun=decided.begun)


def _allowed(decided: Decision, protocol: Protocol, factor: float) -> Doses:
    """The course with its doses times ``factor``, as near to it as the protocol allows."""
    lowest, highest = protocol.lowest, protocol.highest_of(decided.aims)
    wanted = min(max(factor, lowest), highest)
    while not decided.allowed(ratios := decided.rounded(wanted, protocol), protocol) and wanted > lowest:
        wanted = max(lowest, wanted - STEP)
    by_dose = dict(zip(decided.doses, ratios, strict=True))
    return tuple(up.scaled(by_dose.get(up, 1.0)) for up in decided.course)


STEP = 0.01
"""Of the plan, by which a dose beyond a cap is taken back."""
