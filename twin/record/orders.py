"""What was ordered and which devices are bound, as they stood at any time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from twin.clock import HOUR_MS
from twin.events import (
    Covariate,
    DeviceAssociation,
    DoseGiven,
    LabResult,
    Measurement,
    PlannedDose,
    PumpDelivery,
    PumpTotals,
    RegimenPlanned,
    to_millis,
)
from twin.record.contact import DeviceContact
from twin.record.history import History
from twin.record.reporting import Reports

CREATININE = "creatinine"
"""What models and reports call it."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """``amount`` mg planned evenly from ``start_ms`` to ``end_ms``; at once when the two are equal."""

    start_ms: int
    end_ms: int
    amount: float
    route: str = "iv"


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device that is, or was, bound to the patient; ``last_seen_ms`` is at least the time it was bound."""

    device_id: str
    last_seen_ms: int
    expected_every_ms: int | None
    associated: bool


class Order(NamedTuple):
    """What is kept of an order beside its doses."""

    event_id: str
    drug: str
    protocol: str | None
    ward: str | None


class _Binding(NamedTuple):
    device_id: str
    expected_every_ms: int | None
    associated: bool


Plan = dict[str, tuple[PlanStep, ...]]
"""Planned doses of each drug, past and to come, sorted by start."""


class Orders:
    """Plans and device bindings of one history (a pure function of its facts).

    Args:
        history: all that was told.
        before: orders of the history as it was earlier: what they begin with alike is not worked out again.
    """

    def __init__(self, history: History, before: Orders | None = None) -> None:
        self._orders: list[Order] = []
        self._plan_times: list[int] = []
        self._bindings: list[tuple[int, _Binding]] = []
        self._spoken: dict[str, list[int]] = {}
        self._words: dict[str, list[tuple[int, str, bool]]] = {}
        self._creatinine: list[tuple[int, float]] = []
        self._clocks: dict[str, list[tuple[int, float]]] = {}
        self.reports: Reports = Reports(history, None if before is None else before.reports)
        known: dict[str, tuple[PlanStep, ...]] = {} if before is None else before._reported
        self._reported: dict[str, tuple[PlanStep, ...]] = {}
        for millis, fact in history.effective():
            if type(fact) is DoseGiven:  # by far the most, over years
                continue
            if isinstance(fact, Measurement):
                self.reports.add(millis, fact)
            if isinstance(fact, PumpDelivery | PumpTotals):
                self._note_clock(millis, fact)
            if isinstance(fact, RegimenPlanned):
                self._orders.append(Order(fact.event_id, fact.drug, fact.protocol, fact.ward))
                self._reported[fact.event_id] = known.get(fact.event_id) or _steps_of(fact)
                self._plan_times.append(millis)
            elif isinstance(fact, DeviceAssociation):
                self._bindings.append((millis, _binding(fact)))
            elif isinstance(fact, Covariate | LabResult):
                name = fact.name if isinstance(fact, Covariate) else fact.analyte
                if name == CREATININE and fact.value is not None:
                    self._creatinine.append((millis, fact.value.value))
            elif isinstance(fact, PumpDelivery):
                self._spoken.setdefault(fact.drug, []).append(millis)
                delivers = fact.delivery_status != "not-delivering" and fact.rate.value > 0
                self._words.setdefault(fact.device_id, []).append((millis, fact.drug, delivers))
        alike = 0 if before is None else _alike(self._orders, before._orders)
        self._plans: list[Plan] = [] if before is None else before._plans[:alike]
        for millis, order in zip(self._plan_times[alike:], self._orders[alike:], strict=True):
            self._add_plan(millis, order)

    def plan(self, millis: int) -> Plan:
        """Per drug, the doses of the plan as it stood: each order replaces older ones from its own time on."""
        at = bisect_right(self._plan_times, millis) - 1
        return self._plans[at] if at >= 0 else {}

    def told(self, after: int, until: int) -> list[tuple[int, Order]]:
        """The orders that were told after one time and until another (ms), with when (ms)."""
        first, last = bisect_right(self._plan_times, after), bisect_right(self._plan_times, until)
        return list(zip(self._plan_times[first:last], self._orders[first:last], strict=True))

    def ordered(self, millis: int) -> dict[str, tuple[str, str]]:
        """By which protocol and for which ward each drug was ordered last, as far as an order says so."""
        found = {}
        for order in self._orders[: bisect_right(self._plan_times, millis)]:
            if order.protocol is not None or order.ward is not None:
                found[order.drug] = order.protocol or "", order.ward or ""
            else:
                found.pop(order.drug, None)
        return found

    def last_report(self, history: History, millis: int, drug: str) -> int | None:
        """Newest word of any pump about a drug, not after ``millis``."""
        spoken = self._spoken.get(drug, [])
        at = bisect_right(spoken, millis) - 1
        found = [spoken[at]] if at >= 0 else []
        for (_, of_drug), line in history.counted_samples().items():
            if of_drug == drug:
                at = bisect_right(line.times, millis) - 1
                found += [line.times[at]] if at >= 0 else []
        return max(found, default=None)

    def devices(self, contact: dict[str, DeviceContact], millis: int) -> tuple[DeviceView, ...]:
        """Every device that was ever bound, as it stood."""
        newest: dict[str, tuple[int, _Binding]] = {}
        for since, binding in self._bindings:
            if since > millis:
                break
            newest[binding.device_id] = (since, binding)
        views = []
        for device_id, (since, binding) in sorted(newest.items()):
            spoke = contact[device_id].last_before(millis) if device_id in contact else None
            seen = max(since, spoke) if spoke is not None else since
            views.append(DeviceView(device_id, seen, binding.expected_every_ms, binding.associated))
        return tuple(views)

    def running(self, millis: int) -> tuple[tuple[str, str, int], ...]:
        """Pumps that deliver by their own last word, sorted: each with the drug, and since when (ms)."""
        found = []
        for device, words in sorted(self._words.items()):
            said = words[: bisect_right(words, millis, key=lambda word: word[0])]
            if said and said[-1][2]:
                found.append((device, said[-1][1], said[-1][0]))
        return tuple(found)

    def creatinine(self, millis: int) -> list[tuple[int, float]]:
        """Creatinine as it was reported by ``millis``, in the unit of the model, with when (ms)."""
        return self._creatinine[: bisect_right(self._creatinine, millis, key=lambda told: told[0])]

    def clocks(self, millis: int) -> tuple[tuple[str, float, int], ...]:
        """Devices whose clock was ever off, sorted: each with the seconds that it is behind, and since when (ms)."""
        found = []
        for device, told in sorted(self._clocks.items()):
            at = bisect_right(told, millis, key=lambda one: one[0])
            if at:
                found.append((device, told[at - 1][1], told[at - 1][0]))
        return tuple(found)

    def _note_clock(self, millis: int, fact: PumpDelivery | PumpTotals) -> None:
        behind = 0.0 if fact.clock_behind is None else fact.clock_behind.value
        told = self._clocks.setdefault(fact.device_id, []) if behind else self._clocks.get(fact.device_id)
        if told is not None and (not told or told[-1][1] != behind):
            told.append((millis, behind))

    def _add_plan(self, millis: int, order: Order) -> None:
        """Add the plan as it stands after an order."""
        plan: Plan = dict(self._plans[-1]) if self._plans else {}
        kept = [step for step in plan.get(order.drug, ()) if step.start_ms < millis]
        plan[order.drug] = (*kept, *self._reported[order.event_id])
        self._plans.append(plan)


def _alike(orders: list[Order], others: list[Order]) -> int:
    """How many orders two lists begin with alike."""
    pairs = enumerate(zip(orders, others, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(orders), len(others)))


def _binding(told: DeviceAssociation) -> _Binding:
    every = told.expected_every
    return _Binding(told.device_id, None if every is None else round(every.value * HOUR_MS), told.associated)


def _steps_of(order: RegimenPlanned) -> tuple[PlanStep, ...]:
    steps = (_plan_step(dose, order.route) for dose in order.doses)
    return tuple(sorted(steps, key=lambda step: (step.start_ms, step.amount)))


def _plan_step(dose: PlannedDose, route: str) -> PlanStep:
    begin = to_millis(dose.time)
    hours = dose.duration.value if dose.duration is not None else 0.0
    return PlanStep(begin, begin + round(hours * HOUR_MS), dose.amount.value, route)
