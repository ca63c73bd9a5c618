from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import NEUTROPENIA, by, states, toxic
from twin.alerts.rules.tox.neutropenia_prolonged import RULE, find
from twin.events import Subject

VIEW = replace(NEUTROPENIA, name="neutropenia_prolonged", lasting_hours=168.0, grade=None, ctcae=None)
"""A week under 0.5 that is not to be expected."""


def test_more_likely_than_not_is_raised_and_a_low_probability_clears() -> None:
    steps = [toxic(0, VIEW), toxic(1, replace(VIEW, probability=0.6)), toxic(2, replace(VIEW, probability=0.6))]
    assert states(steps) == [(RULE, "start")]
    assert states([*steps, toxic(5, replace(VIEW, probability=0.25))])[-1] == (RULE, "end")


def test_at_or_under_the_threshold_nothing_is_raised() -> None:
    assert states([toxic(hour, replace(VIEW, probability=0.5, p_now=0.5)) for hour in range(4)]) == []


def test_a_count_that_is_low_now_is_not_yet_low_for_long() -> None:
    assert states([toxic(0, replace(VIEW, probability=0.2, p_now=1.0))]) == []


def test_it_says_for_how_long_it_is_low_already() -> None:
    low = replace(VIEW, probability=0.8, p_now=0.9, now=0.2, since_ms=0)
    (finding,) = find(toxic(96, low), by(RULE))
    assert finding.subject == Subject("output", "neutrophils")
    assert finding.text == (
        "Prolonged neutropenia with probability 80% within 21 d: below 0.5 ×10⁹/L for 7 d in a row, so far for 4 d; "
        "nadir 0.46 ×10⁹/L (median) in 8.2 d."
    )
    (ahead,) = find(toxic(0, replace(VIEW, probability=0.8)), by(RULE))
    assert "for 7 d in a row; nadir" in ahead.text


def test_one_that_need_not_last_is_another_rule_s() -> None:
    assert find(toxic(0, NEUTROPENIA), by(RULE)) == ()
