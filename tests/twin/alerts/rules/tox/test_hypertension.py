from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import NEUTROPENIA, by, toxic
from twin.alerts.rules.tox.hypertension import RULE, find
from twin.alerts.snapshot import ToxicityView
from twin.events import Subject

VIEW = ToxicityView(
    "hypertension_g3",
    "systolic_pressure",
    "above",
    160.0,
    "mm[Hg]",
    0.1,
    165.0,
    20.0,
    672.0,
    0.0,
    150.0,
    grade=3,
    ctcae="5.0",
)
"""Above its limit; not to be expected."""


def test_it_speaks_of_the_peak_and_of_what_came_of_it() -> None:
    (ahead,) = find(toxic(0, replace(VIEW, probability=0.8)), by(RULE))
    assert ahead.subject == Subject("output", "systolic_pressure")
    assert ahead.text == ("Grade 3 hypertension with probability 80% within 28 d; peak 165 mmHg (median) in 20 d.")
    (over,) = find(toxic(30, replace(VIEW, measured=(161.0, 0))), by(RULE))
    assert over.text.endswith("; the highest measured was 161 mmHg, 1.2 d ago.")


def test_what_falls_and_what_has_a_rule_of_its_own_is_not_watched_here() -> None:
    assert find(toxic(0, NEUTROPENIA, replace(VIEW, name="qtc_g3")), by(RULE)) == ()
