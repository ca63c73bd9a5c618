from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.alerts.rules.views import NEUTROPENIA, by, nadir, states, told, toxic
from twin.alerts.rules.tox.neutropenia_g4 import RULE, find
from twin.clock import HOUR_MS
from twin.events import Subject


def test_what_is_likely_and_near_is_raised_with_horizon_and_freshness() -> None:
    (alert,) = told([nadir(24, 0.62, day=2.2)])
    assert (alert.rule, alert.phase, alert.severity) == (RULE, "start", "medium")
    assert alert.subject == Subject("output", "neutrophils")
    assert (alert.probability, alert.horizon_hours, alert.freshness_hours) == (0.62, 504.0, 24.0)
    assert alert.text == ("Grade 4 neutropenia with probability 62% within 21 d; nadir 0.46 ×10⁹/L (median) in 2.2 d.")


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.25])
def test_at_or_under_the_threshold_nothing_is_raised(probability: float) -> None:
    assert states([nadir(0, probability, day=1.0)]) == []


def test_what_is_likely_but_far_off_waits_for_counts_unless_it_is_sure_or_has_stood_for_days() -> None:
    assert states([nadir(0, 0.69, day=9.0), nadir(24 * 4, 0.69, day=3.1)]) == []
    assert states([nadir(0, 0.69, day=9.0), nadir(24 * 4, 0.69, day=3.0)]) == [(RULE, "start")]
    assert states([nadir(0, 0.76, day=9.0)]) == [(RULE, "start")]
    assert states([nadir(0, 0.6, day=12.0), nadir(24 * 5, 0.6, day=7.0)]) == [(RULE, "start")]


def test_near_the_nadir_one_in_four_is_enough_and_farther_off_it_is_not_nor_does_a_day_more_take_it_back() -> None:
    assert states([nadir(0, 0.4, day=3.1), nadir(24 * 6, 0.4, day=3.1)]) == []
    assert states([nadir(0, 0.4, day=3.1), nadir(6, 0.4, day=2.9)]) == [(RULE, "start")]
    assert states([nadir(0, 0.4, day=2.9), nadir(1, 0.35, day=3.1)]) == [(RULE, "start")]
    assert states([nadir(0, 0.4, day=2.9), nadir(1, 0.15, day=2.8)]) == [(RULE, "start"), (RULE, "update")]


def test_a_count_that_moves_the_probability_is_an_update_and_a_low_one_clears() -> None:
    steps = [nadir(0, 0.6, day=2.0), nadir(2, 0.65), nadir(4, 0.75), nadir(5, 0.05)]
    assert states(steps) == [(RULE, "start"), (RULE, "update"), (RULE, "end")]


def test_in_grade_4_now_is_said_when_it_is_so_and_what_is_past_is_not_ahead() -> None:
    steps = [
        nadir(0, 0.6, day=2.5),
        nadir(100, 0.6, now=0.3, p_now=0.9, day=4.0),
        nadir(200, 0.6, now=0.2, p_now=0.95, day=-0.2),
    ]
    _, present, lowest, over = told([*steps, nadir(400, 0.05, now=1.9)])
    assert present.text == (
        "In grade 4 neutropenia now with probability 90%: 0.3 ×10⁹/L (median); nadir 0.46 ×10⁹/L (median) in 4 d."
    )
    assert present.probability == 0.9
    assert lowest.text.endswith("0.2 ×10⁹/L (median); nadir 0.46 ×10⁹/L (median) about now.")
    assert over.text == (
        "Grade 4 neutropenia is no longer expected (probability 5% within 21 d): now 1.9 ×10⁹/L (median); the lowest "
        "measured was 0.3 ×10⁹/L, 1.2 d ago."
    )


def test_an_alert_that_stands_speaks_of_the_day_it_is_shown_on() -> None:
    transitions = told([nadir(hours, 0.88, day=12 - hours / 24) for hours in range(0, 5 * 24, 2)])
    assert [t.phase for t in transitions[1:]] == ["update"] * (len(transitions) - 1)
    assert 5 <= len(transitions) <= 5 * 4
    assert transitions[-1].text.endswith("in 7.2 d.")
    assert (transitions[0].freshness_hours, transitions[-1].freshness_hours) == (0.0, transitions[-1].time_ms / HOUR_MS)


def test_hours_without_a_new_forecast_hold_the_alert() -> None:
    assert states([nadir(0, 0.6, day=2.0), nadir(1, None), nadir(2, None)]) == [(RULE, "start")]


def test_certainty_on_either_side() -> None:
    assert find(nadir(0, 1.0), by(RULE))[0].level == 1.0
    assert states([nadir(0, 1.0), nadir(1, 0.0)]) == [(RULE, "start"), (RULE, "end")]


def test_without_a_forecast_there_is_nothing_to_find() -> None:
    assert find(nadir(0, None), by(RULE)) == ()


def test_another_count_is_called_by_its_name_and_in_its_unit() -> None:
    view = replace(NEUTROPENIA, name="leukopenia_g4", output="leukocytes", unit="10*3/uL", probability=0.8, median=0.7)
    (finding,) = find(toxic(0, view), by(RULE))
    assert finding.subject == Subject("output", "leukocytes")
    assert finding.text.startswith("Grade 4 leukopenia with probability 80% within 21 d; nadir 0.7 ×10³/µL")


def test_two_grades_of_one_count_are_two_alerts() -> None:
    severe = replace(NEUTROPENIA, probability=0.75)
    milder = replace(NEUTROPENIA, name="neutropenia_g3", limit=1.0, grade=3, probability=0.9)
    told_of = told([toxic(0, severe, milder)])
    assert [alert.subject for alert in told_of] == [
        Subject("toxicity", "neutropenia_g3"),
        Subject("toxicity", "neutropenia_g4"),
    ]
    assert told_of[0].text.startswith("Grade 3 neutropenia with probability 90%")


def test_it_is_graver_once_the_patient_is_in_it_and_says_what_to_check() -> None:
    ahead, present = told([nadir(0, 0.6, day=2.0), nadir(100, 0.6, now=0.3, p_now=0.9)])
    assert (ahead.severity, present.severity) == ("medium", "high")
    assert find(nadir(0, 0.6), by(RULE))[0].advice.startswith("Repeat the count")


def test_a_grade_by_another_version_of_the_criteria_says_so() -> None:
    (finding,) = find(toxic(0, replace(NEUTROPENIA, probability=0.8, limit=0.1, ctcae="6.0")), by(RULE))
    assert finding.text.startswith("Grade 4 neutropenia (CTCAE v6.0) with probability 80%")
