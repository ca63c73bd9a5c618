from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.alerts.rules.views import CYCLE, FOLFOX, by, delivery, later, states, told
from twin.alerts.rules.delivery.underinfusion import RULE, find
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject
from twin.record.orders import PlanStep

RATE = 4320 / 46
TWO_CYCLES = (*FOLFOX, *(later(step, CYCLE) for step in FOLFOX))


@given(error=st.floats(-0.08, 0.08), hours=st.floats(0.01, 60))
def test_an_ordinary_pump_error_is_never_found(error: float, hours: float) -> None:
    bolus = min(hours, 0.25 / (1 + error))
    given_mg = min(5040.0, bolus * 2880 * (1 + error) + max(0.0, hours - bolus) * RATE * (1 + error))
    rate = 2880.0 if hours < 0.25 / (1 + error) else RATE
    (finding,) = find(delivery(hours, rate * (1 + error) if given_mg < 5040 else 0.0, given_mg), by(RULE))
    assert finding.level <= 0.1


def test_half_the_rate_is_raised_after_a_quarter_of_an_hour() -> None:
    assert states([delivery(5 + i / 60, RATE / 2, 1200) for i in range(15)]) == []
    (alert,) = told([delivery(5 + i / 60, RATE / 2, 1200) for i in range(16)])
    assert (alert.rule, alert.phase, alert.severity) == (RULE, "start", "medium")
    assert alert.onset_ms == 5 * HOUR_MS
    assert alert.text == "fluorouracil: running at 46.96 mg/h, 50% below the planned rate; 1200 of 5040 mg delivered."


def test_an_occlusion_is_found_and_clears_when_the_pump_runs_again() -> None:
    blocked = [delivery(10 + i / 12, 0.0, 1637) for i in range(5)]
    again = [delivery(10.5, RATE, 1637)]
    transitions = told(blocked + again)
    assert [(t.rule, t.phase) for t in transitions] == [(RULE, "start"), (RULE, "end")]
    assert "not running in mid-course" in transitions[0].text


def test_a_pause_shorter_than_a_quarter_of_an_hour_is_ordinary() -> None:
    assert states([delivery(10, 0.0, 1637), delivery(10.2, 0.0, 1637), delivery(10.24, RATE, 1637)]) == []


def test_between_bolus_and_infusion_nothing_need_run_until_the_amount_is_missing() -> None:
    assert states([delivery(0.25 + i / 4, 0.0, 715) for i in range(8)]) == []
    assert find(delivery(10, 0.0, 715), by(RULE))[0].level > 0.1


def test_a_late_start_is_ordinary_and_a_missing_one_is_found() -> None:
    assert find(delivery(1.9, 0.0, 0.0, since=None), by(RULE)) == ()
    (finding,) = find(delivery(6, 0.0, 0.0, since=None), by(RULE))
    assert finding.level == pytest.approx((720 + 3.75 * RATE) / 5040)
    assert finding.text.startswith("fluorouracil: planned course has not started; behind the plan by 21%")


def test_a_missing_second_course_is_found_beside_a_finished_first() -> None:
    begin = CYCLE / HOUR_MS
    assert find(delivery(begin + 1, 0.0, 5040, plan=TWO_CYCLES), by(RULE)) == ()
    (finding,) = find(delivery(begin + 6, 0.0, 5040, plan=TWO_CYCLES), by(RULE))
    assert finding.level > 0.2
    assert "has not started" in finding.text


def test_a_course_that_started_hours_late_is_behind_but_not_slow() -> None:
    (finding,) = find(delivery(8, RATE, 720 + 0.75 * RATE, since=7), by(RULE))
    assert finding.level == pytest.approx((720 + 5.75 * RATE - (720 + 0.75 * RATE)) / 5040)
    assert finding.level < 0.1


def test_a_bolus_that_is_not_charted_yet_is_no_shortfall_for_a_shift_and_then_is_one() -> None:
    def hour(after: float, rate: float = RATE) -> Snapshot:
        return delivery(0.3 + after, rate, after * rate, since=0.3)

    assert states([hour(i / 2) for i in range(24)]) == []
    assert states([hour(i / 4, RATE / 2) for i in range(3)]) == [(RULE, "start")]
    late = find(hour(12.5), by(RULE))[0]
    assert late.level == pytest.approx(720 / 5040, abs=0.04)


def test_the_rest_in_the_line_is_no_shortfall() -> None:
    assert find(delivery(50, 0.0, 0.96 * 5040), by(RULE))[0].level == 0.0
    assert find(delivery(50, 0.0, 0.85 * 5040), by(RULE))[0].level > 0.1


def test_an_abandoned_course_is_not_alarmed_for_weeks() -> None:
    steps = [delivery(30, 0.0, 2000), delivery(40, 0.0, 2000), delivery(46.25 + 97, 0.0, 2000)]
    assert states(steps) == [(RULE, "start"), (RULE, "end")]


def test_a_dose_ordered_at_once_is_missed_only_by_its_amount() -> None:
    at_once = (PlanStep(0, 0, 100.0),)
    assert find(delivery(0.1, 600.0, 20.0, plan=at_once), by(RULE))[0].level == 0.0
    assert find(delivery(3, 0.0, 20.0, plan=at_once), by(RULE))[0].level == pytest.approx(0.8)


def test_amounts_and_rates_are_told_in_the_units_of_the_snapshot() -> None:
    view = replace(delivery(5, RATE / 2, 1200).delivery[0], amount_unit="ug", rate_unit="ug/h")
    (finding,) = find(replace(delivery(5, RATE / 2, 1200), delivery=(view,)), by(RULE))
    assert finding.subject == Subject("drug", "fluorouracil")
    assert finding.text.endswith("running at 46.96 µg/h, 50% below the planned rate; 1200 of 5040 µg delivered.")


def test_without_an_order_nothing_can_be_said() -> None:
    assert find(delivery(1, 0.0, 0.0, plan=()), by(RULE)) == ()


def test_too_fast_is_never_too_slow() -> None:
    assert find(delivery(5, 10 * RATE, 1200), by(RULE))[0].level == 0.0
