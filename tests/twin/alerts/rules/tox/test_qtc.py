from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import NEUTROPENIA, by, states, toxic
from twin.alerts.rules.tox.qtc import RULE, find
from twin.alerts.snapshot import ToxicityView
from twin.events import Subject

VIEW = ToxicityView("qtc_g3", "qtc", "above", 500.0, "ms", 0.1, 505.0, 20.0, 672.0, 0.0, 450.0, grade=3, ctcae="5.0")
"""Above its limit; not to be expected."""


def test_more_likely_than_not_is_raised_and_a_low_probability_clears() -> None:
    steps = [toxic(0, VIEW), toxic(1, replace(VIEW, probability=0.6)), toxic(2, replace(VIEW, probability=0.6))]
    assert states(steps) == [(RULE, "start")]
    assert states([*steps, toxic(5, replace(VIEW, probability=0.25))])[-1] == (RULE, "end")


def test_at_or_under_the_threshold_nothing_is_raised() -> None:
    assert states([toxic(hour, replace(VIEW, probability=0.5, p_now=0.5)) for hour in range(4)]) == []


def test_it_speaks_of_the_peak_and_of_what_came_of_it() -> None:
    (ahead,) = find(toxic(0, replace(VIEW, probability=0.8)), by(RULE))
    assert ahead.subject == Subject("output", "qtc")
    assert ahead.text == ("Grade 3 qtc with probability 80% within 28 d; peak 505 ms (median) in 20 d.")
    (over,) = find(toxic(30, replace(VIEW, measured=(501.0, 0))), by(RULE))
    assert over.text.endswith("; the highest measured was 501 ms, 1.2 d ago.")


def test_what_falls_and_what_has_a_rule_of_its_own_is_not_watched_here() -> None:
    assert find(toxic(0, NEUTROPENIA, replace(VIEW, name="hypertension_g3")), by(RULE)) == ()
