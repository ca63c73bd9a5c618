from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import NEUTROPENIA, by, toxic
from twin.alerts.rules.tox.rising import RULE, find
from twin.alerts.snapshot import ToxicityView
from twin.events import Subject

VIEW = ToxicityView(
    "proteinuria_g3", "protein", "above", 3.5, "g/L", 0.1, 3.9, 20.0, 672.0, 0.0, 1.0, grade=3, ctcae="5.0"
)
"""Above its limit; not to be expected."""


def test_it_speaks_of_the_peak_and_of_what_came_of_it() -> None:
    (ahead,) = find(toxic(0, replace(VIEW, probability=0.8)), by(RULE))
    assert ahead.subject == Subject("output", "protein")
    assert ahead.text == ("Grade 3 proteinuria with probability 80% within 28 d; peak 3.9 g/L (median) in 20 d.")
    (over,) = find(toxic(30, replace(VIEW, measured=(4.5, 0))), by(RULE))
    assert over.text.endswith("; the highest measured was 4.5 g/L, 1.2 d ago.")


def test_what_falls_and_what_has_a_rule_of_its_own_is_not_watched_here() -> None:
    assert find(toxic(0, NEUTROPENIA, replace(VIEW, name="qtc_g3")), by(RULE)) == ()
