from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import CYCLE, FOLFOX, delivery, later, states, told
from twin.alerts.rules.delivery.unplanned import RULE
from twin.alerts.snapshot import DeliveryView, RunningView, Snapshot
from twin.record.orders import PlanStep

AS_PLANNED = 93.9


def running(hours: float, *, bound: bool | None = True, plan: tuple[PlanStep, ...] = FOLFOX) -> Snapshot:
    snapshot = delivery(hours, AS_PLANNED, 720 + AS_PLANNED * hours, plan=plan)
    return replace(snapshot, running=(RunningView("pump-4", "fluorouracil", 0, bound),))


def of_this_rule(*snapshots: Snapshot) -> list[tuple[str, str]]:
    return [one for one in states(snapshots) if one[0] == RULE]


def test_a_pump_that_does_as_planned_is_no_alert_a_day_early_or_late() -> None:
    assert of_this_rule(*(running(hour) for hour in range(1, 46, 3))) == []
    assert of_this_rule(running(-20), running(-19), running(60), running(61)) == []


def test_flow_long_after_the_plan_is_raised_after_five_minutes_and_ends_with_an_order() -> None:
    ordered = (*FOLFOX, *(later(step, CYCLE) for step in FOLFOX))
    steps = [running(200), running(200.05), running(200.1), running(14 * 24 + 1, plan=ordered)]
    assert of_this_rule(*steps[:2]) == []
    assert of_this_rule(*steps) == [(RULE, "start"), (RULE, "end")]
    (alert,) = [one for one in told(steps[:3]) if one.rule == RULE]
    assert alert.severity == "high"
    assert alert.text == "fluorouracil: pump-4 delivers at 93.9 mg/h, though no dose of it is planned near this time."


def test_flow_from_a_pump_that_was_released_is_raised() -> None:
    steps = [running(5, bound=False), running(5.2, bound=False)]
    assert of_this_rule(*steps) == [(RULE, "start")]
    assert [one.text for one in told(steps) if one.rule == RULE] == [
        "fluorouracil: pump-4 delivers at 93.9 mg/h, though it is not bound to this patient any more."
    ]
    assert of_this_rule(running(5, bound=None), running(5.2, bound=None)) == []


def test_where_nobody_ever_plans_a_drug_without_plan_is_no_alert_and_beside_a_plan_it_is() -> None:
    alone = [running(hour, plan=()) for hour in (5.0, 5.2)]
    assert of_this_rule(*alone) == []
    other = DeliveryView("cisplatin", 0.0, 0.0, None, None, FOLFOX)
    beside = [replace(one, delivery=(*one.delivery, other)) for one in alone]
    assert of_this_rule(*beside) == [(RULE, "start")]
