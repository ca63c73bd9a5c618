from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import NEUTROPENIA, by, states, told, toxic
from twin.alerts.rules.tox.thrombocytopenia_g4 import RULE, find
from twin.events import Subject

VIEW = replace(NEUTROPENIA, name="thrombocytopenia_g4", output="platelets", limit=25.0, median=21.0, now=150.0)
"""Platelets of grade 4 that are not to be expected."""


def test_more_likely_than_not_is_raised_and_a_low_probability_clears() -> None:
    steps = [toxic(0, VIEW), toxic(1, replace(VIEW, probability=0.6)), toxic(2, replace(VIEW, probability=0.6))]
    assert states(steps) == [(RULE, "start")]
    assert states([*steps, toxic(5, replace(VIEW, probability=0.25))])[-1] == (RULE, "end")


def test_at_or_under_the_threshold_nothing_is_raised() -> None:
    assert states([toxic(hour, replace(VIEW, probability=0.5, p_now=0.5)) for hour in range(4)]) == []


def test_it_names_the_platelets_and_is_graver_once_they_are_so_low() -> None:
    (ahead,) = told([toxic(0, replace(VIEW, probability=0.8))])
    assert (ahead.subject, ahead.severity) == (Subject("output", "platelets"), "medium")
    assert ahead.text == "Grade 4 thrombocytopenia with probability 80% within 21 d; nadir 21 ×10⁹/L (median) in 8.2 d."
    (now,) = told([toxic(0, replace(VIEW, probability=0.8, p_now=0.7))])
    assert now.severity == "high"


def test_other_counts_are_another_rule_s() -> None:
    assert find(toxic(0, NEUTROPENIA), by(RULE)) == ()
