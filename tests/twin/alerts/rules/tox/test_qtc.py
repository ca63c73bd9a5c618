from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import NEUTROPENIA, by, toxic
from twin.alerts.rules.tox.qtc import RULE, find
from twin.alerts.snapshot import ToxicityView
from twin.events import Subject

VIEW = ToxicityView("qtc_g3", "qtc", "above", 500.0, "ms", 0.1, 505.0, 20.0, 672.0, 0.0, 450.0, grade=3, ctcae="5.0")
"""Above its limit; not to be expected."""


def test_it_speaks_of_the_peak_and_of_what_came_of_it() -> None:
    (ahead,) = find(toxic(0, replace(VIEW, probability=0.8)), by(RULE))
    assert ahead.subject == Subject("output", "qtc")
    assert ahead.text == ("Grade 3 qtc with probability 80% within 28 d; peak 505 ms (median) in 20 d.")
    (over,) = find(toxic(30, replace(VIEW, measured=(501.0, 0))), by(RULE))
    assert over.text.endswith("; the highest measured was 501 ms, 1.2 d ago.")


def test_what_falls_and_what_has_a_rule_of_its_own_is_not_watched_here() -> None:
    assert find(toxic(0, NEUTROPENIA, replace(VIEW, name="hypertension_g3")), by(RULE)) == ()
