"""Another dose than the planned one is told while it can still be changed, and no longer once the plan follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin.alerts.rules import settings
from twin.alerts.rules.dose.advice_changed import RULE, find
from twin.alerts.settings import RuleSettings
from twin.alerts.snapshot import AdviceView, DeliveryView, OddsView, Snapshot
from twin.clock import DAY_MS, HOUR_MS
from twin.record.orders import PlanStep

DOSE = 21 * DAY_MS
ODDS = (OddsView("window", "docetaxel_auc", 0.6, 0.5), OddsView("toxicity", "neutropenia_g4", 0.2, 0.4))
NEXT = AdviceView("docetaxel", "ward", 0, ((DOSE, 160.0, 120.0),), 0, None, None, DOSE + HOUR_MS, 0.1, ODDS, 0.75)
RUNS = replace(NEXT, doses=(), planned_rate=40.0, advised_rate=30.0, ends_ms=10 * HOUR_MS)


def its(drug: str) -> RuleSettings:  # noqa: ARG001
    return settings()[RULE]


def level(advice: AdviceView, *steps: tuple[int, float], now: int = HOUR_MS, rate: float = 0.0) -> float | None:
    """What is found of a plan of these doses (ms, mg) while the pump runs at a rate."""
    plan = tuple(PlanStep(begin, begin + HOUR_MS, amount) for begin, amount in steps)
    snapshot = Snapshot("P-1", now, 100.0, None, (DeliveryView("docetaxel", rate, 0.0, None, None, plan),))
    found = find(replace(snapshot, advice=(advice,)), its)
    return found[0].level if found else None


def test_a_dose_is_told_by_how_far_the_plan_of_now_is_from_it() -> None:
    assert level(NEXT, (DOSE, 160.0)) == pytest.approx(2.5)
    assert level(NEXT, (DOSE, 130.0)) == pytest.approx(0.625)
    assert level(NEXT, (DOSE, 120.0)) == 0.0


@pytest.mark.parametrize("steps", [(), ((2 * DOSE, 160.0),)])
def test_a_dose_that_is_no_longer_planned_is_not_judged(steps: tuple[tuple[int, float], ...]) -> None:
    assert level(NEXT, *steps) is None


def test_a_dose_that_has_begun_cannot_be_changed() -> None:
    assert level(NEXT, (DOSE, 160.0), now=DOSE) is None


def test_a_delay_differs_wholly_until_the_plan_is_moved() -> None:
    later = replace(NEXT, delay_ms=7 * DAY_MS)
    assert level(later, (DOSE, 120.0)) == pytest.approx(10.0)
    assert level(later, (DOSE + 7 * DAY_MS, 120.0)) == 0.0
    assert level(later, (DOSE + 7 * DAY_MS, 160.0)) == pytest.approx(2.5)


def test_a_running_rate_is_told_until_the_pump_follows_or_ends() -> None:
    assert level(RUNS, rate=40.0) == pytest.approx(2.5)
    assert level(RUNS, rate=30.0) == 0.0
    assert level(RUNS, rate=0.0) is None
    assert level(RUNS, rate=40.0, now=10 * HOUR_MS) is None


def test_the_text_has_both_amounts_the_odds_and_what_to_do() -> None:
    plan = (PlanStep(DOSE, DOSE + HOUR_MS, 160.0),)
    snapshot = Snapshot("P-1", HOUR_MS, 100.0, None, (DeliveryView("docetaxel", 0.0, 0.0, None, None, plan),))
    found = find(replace(snapshot, advice=(NEXT,)), its)[0]
    assert found.text == (
        "docetaxel: 120 mg (-25%) is advised instead of the 160 mg planned; P(docetaxel_auc in its window) 60% instead "
        "of 50%; P(neutropenia_g4) 20% instead of 40%."
    )
    assert "nothing goes to a pump" in found.advice
    stopped = replace(NEXT, doses=((DOSE, 160.0, 0.0),))
    assert "nothing is advised instead" in find(replace(snapshot, advice=(stopped,)), its)[0].text


@pytest.mark.parametrize(
    ("odds", "end"), [((), "160 mg planned."), (ODDS[:1], "planned; P(docetaxel_auc in its window) 60% ")]
)
def test_odds_are_told_where_the_dose_was_chosen_by_any(odds: tuple[OddsView, ...], end: str) -> None:
    plan = (PlanStep(DOSE, DOSE + HOUR_MS, 160.0),)
    snapshot = Snapshot("P-1", HOUR_MS, 100.0, None, (DeliveryView("docetaxel", 0.0, 0.0, None, None, plan),))
    (found,) = find(replace(snapshot, advice=(replace(NEXT, odds=odds),)), its)
    assert end in found.text
    assert found.text.endswith(".")
    assert "; ." not in found.text
