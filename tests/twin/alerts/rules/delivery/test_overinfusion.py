from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.alerts.rules.views import CYCLE, FOLFOX, by, delivery, later, states, told
from twin.alerts.rules.delivery.overinfusion import RULE, SETTINGS, find
from twin.clock import HOUR_MS
from twin.events import Subject
from twin.record.orders import PlanStep

RATE = 4320 / 46
WEEKLY = (*FOLFOX, *(later(step, CYCLE) for step in FOLFOX))


def test_ten_times_the_rate_is_found_at_the_next_word_of_the_pump() -> None:
    (alert,) = told([delivery(1, RATE, 790.4), delivery(2, 10 * RATE, 884.3)])
    assert (alert.rule, alert.phase, alert.severity) == (RULE, "start", "high")
    assert alert.time_ms == 2 * HOUR_MS
    assert alert.text == (
        "fluorouracil: running at 939.1 mg/h where 93.91 mg/h is planned (+900%); 884.3 of 5040 mg delivered."
    )


def test_ten_times_the_rate_is_found_at_the_very_start_of_each_planned_dose() -> None:
    assert told([delivery(0, 28800, 0.0)])[0].severity == "high"
    assert told([delivery(0.25, 10 * RATE, 720.0)])[0].severity == "high"


@given(error=st.floats(-0.08, 0.08), hours=st.floats(0, 46.5), shift=st.floats(-1.5, 12))
def test_an_ordinary_pump_error_is_never_found_whenever_the_course_starts(
    error: float, hours: float, shift: float
) -> None:
    bolus = min(hours, 0.25 / (1 + error))
    infused = max(0.0, hours - bolus) * RATE * (1 + error)
    rate = 2880 * (1 + error) if hours < 0.25 / (1 + error) else RATE * (1 + error)
    given_mg = bolus * 2880 * (1 + error) + infused
    (finding,) = find(delivery(hours + shift, rate if given_mg < 5040 else 0.0, given_mg, since=shift), by(RULE))
    assert finding.level <= 0.1


def test_a_little_too_fast_must_last_before_it_is_raised() -> None:
    fast = 1.2 * RATE
    assert states([delivery(10 + i / 60, fast, 1700) for i in range(10)]) == []
    assert states([delivery(10 + i / 60, fast, 1700) for i in range(11)]) == [(RULE, "start")]


def test_hovering_between_the_thresholds_neither_raises_nor_clears() -> None:
    assert states([delivery(10 + i, (1.06, 1.09)[i % 2] * RATE, 1637 + 94 * i) for i in range(20)]) == []
    fast = [delivery(10, 1.2 * RATE, 1637), delivery(11, 1.2 * RATE, 1740)]
    hover = [delivery(12 + i, (1.06, 1.12)[i % 2] * RATE, 1840 + 94 * i) for i in range(20)]
    assert states(fast + hover)[0] == (RULE, "start")
    assert set(states(fast + hover)[1:]) == {(RULE, "update")}


def test_back_at_the_planned_rate_it_clears() -> None:
    steps = [delivery(10, 10 * RATE, 1637), delivery(10.05, RATE, 1684), delivery(11, RATE, 1773)]
    assert states(steps) == [(RULE, "start"), (RULE, "end")]


def test_a_slow_creep_beyond_the_whole_amount_is_found() -> None:
    assert find(delivery(47, 0.0, 5040 * 1.04), by(RULE))[0].level < 0.05
    (finding,) = find(delivery(47, 0.0, 5040 * 1.6), by(RULE))
    assert finding.level == pytest.approx(0.6)
    assert finding.urgent
    assert finding.text == "fluorouracil: 8064 of 5040 mg delivered, 160% of the plan; it has ended."


def test_a_second_bag_by_mistake_is_found_by_its_amount() -> None:
    steps = [delivery(46.25, RATE, 5040), delivery(50, RATE, 5392), delivery(56, RATE, 5956), delivery(57, RATE, 6050)]
    (alert,) = told(steps)
    assert (alert.rule, alert.onset_ms, alert.time_ms) == (RULE, 56 * HOUR_MS, 57 * HOUR_MS)
    assert "20% more than the planned course" in alert.text


def test_far_ahead_of_the_plan_is_found_though_the_rate_stopped() -> None:
    (finding,) = find(delivery(5, 0.0, 3000), by(RULE))
    assert finding.level == pytest.approx((3000 - (720 + 6.75 * RATE)) / 5040)
    assert "ahead of the plan by" in finding.text


def test_ten_times_the_rate_is_found_at_once_though_the_bolus_before_it_is_not_charted_yet() -> None:
    (alert,) = told([delivery(0.3, 10 * RATE, 0.0, since=0.3)])
    assert alert.text.startswith("fluorouracil: running at 939.1 mg/h where 93.91 mg/h is planned (+900%)")
    assert states([delivery(0.3 + i, RATE, i * RATE, since=0.3) for i in range(6)]) == []
    assert states([delivery(0.2, 1.12 * 2880, 0.0, since=0.2)]) == [], "a bolus that begins late, a little too fast"


@pytest.mark.parametrize("hours", [0.24, 0.26])
@pytest.mark.parametrize(("rate", "given"), [(2880.0, 700.0), (RATE, 721.0), (RATE, 700.0), (2880.0, 730.0)])
def test_at_a_planned_change_of_rate_either_rate_is_right(hours: float, rate: float, given: float) -> None:
    assert find(delivery(hours, rate, given), by(RULE))[0].level == 0.0


def test_an_infusion_that_starts_three_hours_late_or_one_early_is_judged_by_its_own_amounts() -> None:
    assert find(delivery(3, 2880, 0.0, since=3), by(RULE))[0].level == 0.0
    assert find(delivery(-0.9, 2880, 300.0, since=-1), by(RULE))[0].level == 0.0
    assert find(delivery(3.3, 10 * RATE, 721.0, since=3), by(RULE))[0].level == pytest.approx(9.0)


def test_without_an_order_nothing_can_be_said() -> None:
    assert find(delivery(1, 500, 100, plan=()), by(RULE)) == ()


def test_a_dose_ordered_at_once_has_no_rate_to_exceed() -> None:
    at_once = (PlanStep(0, 0, 100.0),)
    assert find(delivery(0.1, 600.0, 20.0, plan=at_once), by(RULE))[0].level == 0.0
    assert find(delivery(1, 0.0, 200.0, plan=at_once), by(RULE))[0].level == pytest.approx(1.0)


def test_an_ordered_amount_of_zero_is_no_division_by_zero() -> None:
    assert find(delivery(1, 10.0, 5.0, plan=(PlanStep(0, HOUR_MS, 0.0),)), by(RULE)) == ()


def test_the_next_course_is_held_against_its_own_plan() -> None:
    begin = CYCLE / HOUR_MS
    assert find(delivery(begin + 1, RATE, 790.0, since=begin, plan=WEEKLY), by(RULE))[0].level == 0.0
    (finding,) = find(delivery(begin + 1, 2 * RATE, 790.0, since=begin, plan=WEEKLY), by(RULE))
    assert finding.level == pytest.approx(1.0)
    assert finding.severity == "high"
    assert finding.level >= SETTINGS.number("gross")


def test_the_alert_of_a_finished_course_does_not_stay_for_weeks() -> None:
    assert states([delivery(47, 0.0, 8000), delivery(46.25 + 97, 0.0, 8000)]) == [(RULE, "start"), (RULE, "end")]


def test_an_overdose_that_ends_says_what_was_delivered_in_the_end() -> None:
    pump = (PlanStep(0, HOUR_MS, 117.0),)
    running = delivery(0.0, 233.5, 0.0, plan=pump)
    ended, days_later = delivery(1.0, 0.0, 234.0, plan=pump), delivery(80.0, 0.0, 234.0, plan=pump)
    raised, updated = told([running, ended, days_later])
    assert (
        raised.text == "fluorouracil: running at 233.5 mg/h where 117 mg/h is planned (+100%); 0 of 117 mg delivered."
    )
    assert updated.text == "fluorouracil: 234 of 117 mg delivered, twice the plan; it has ended."
    *_, cleared = told([running, ended, days_later, delivery(98.0, 0.0, 234.0, plan=pump)])
    assert (cleared.phase, cleared.text) == ("end", "fluorouracil: 234 of 117 mg delivered, twice the plan.")


def test_an_overdose_ends_with_its_own_outcome_when_the_next_course_begins() -> None:
    begin = CYCLE / HOUR_MS
    steps = [delivery(47, 0.0, 10080.0, plan=WEEKLY), delivery(60, 0.0, 10080.0, plan=WEEKLY)]
    _, cleared = told([*steps, delivery(begin + 1, RATE, 790.0, since=begin, plan=WEEKLY)])
    assert cleared.text == "fluorouracil: 10080 of 5040 mg delivered, twice the plan."
    assert told([*steps, delivery(begin + 1, 10 * RATE, 790.0, since=begin, plan=WEEKLY)])[-1].phase == "end"
    again = [delivery(begin + hours, 10 * RATE, 790.0, since=begin, plan=WEEKLY) for hours in (1, 1.1)]
    assert told([*steps, *again])[-1].phase == "start"


def test_amounts_and_rates_are_told_in_the_units_of_the_snapshot() -> None:
    view = replace(delivery(2, 10 * RATE, 884.3).delivery[0], amount_unit="ug", rate_unit="ug/h")
    (finding,) = find(replace(delivery(2, 10 * RATE, 884.3), delivery=(view,)), by(RULE))
    assert finding.subject == Subject("drug", "fluorouracil")
    assert finding.text == (
        "fluorouracil: running at 939.1 µg/h where 93.91 µg/h is planned (+900%); 884.3 of 5040 µg delivered."
    )


def test_freshness_is_the_age_of_the_pumps_last_word() -> None:
    assert told([delivery(10, 9 * RATE, 1637, reported=9.5)])[0].freshness_hours == pytest.approx(0.5)


def test_a_pump_is_not_blamed_for_what_was_charted_beside_it() -> None:
    both = delivery(1, 2 * RATE, 790.4)
    (finding,) = find(replace(both, delivery=(replace(both.delivery[0], charted=RATE),)), by(RULE))
    assert "running at 187.8 mg/h (93.91 of it charted as given, not told by a pump)" in finding.text
