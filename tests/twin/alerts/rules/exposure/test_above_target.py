from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.alerts.rules.views import by, delivery, exposure, nadir, states, told
from twin.alerts.rules.exposure.above_target import RULE, find
from twin.clock import HOUR_MS
from twin.events import Subject


def test_a_lasting_probability_is_raised_with_target_and_freshness() -> None:
    (alert,) = told([exposure(0, above=0.9), exposure(30, above=0.9)])
    assert (alert.rule, alert.phase, alert.subject) == (RULE, "start", Subject("target", "fluorouracil_auc"))
    assert alert.probability == 0.9
    assert alert.freshness_hours == pytest.approx(2.0)
    assert alert.text == (
        "fluorouracil: exposure expected above 30 mg·h/L with probability 90% (median 31.4, target 20 to 30)."
    )


def test_a_prior_that_is_merely_wide_is_no_news() -> None:
    assert states([exposure(30 * i, above=0.45, below=0.45) for i in range(10)]) == []


def test_a_passing_probability_is_not_raised() -> None:
    assert states([exposure(0, above=0.9), exposure(20, above=0.7), exposure(40, above=0.9)]) == []


def test_clears_when_the_exposure_is_likely_within_the_target() -> None:
    steps = [exposure(0, above=0.85), exposure(30, above=0.85), exposure(60, above=0.78), exposure(90, above=0.5)]
    assert states(steps) == [(RULE, "start"), (RULE, "end")]


def test_the_other_side_of_the_window_is_another_rule() -> None:
    assert RULE not in [rule for rule, _ in states([exposure(0, below=0.99), exposure(30, below=0.99)])]


def test_a_finished_course_is_spoken_of_as_finished() -> None:
    (finding,) = find(exposure(0, above=0.9, running=False), by(RULE))
    assert finding.text.startswith("fluorouracil: exposure of the course above 30 mg·h/L")


def test_a_moment_without_exposure_holds_the_alert() -> None:
    steps = [exposure(0, above=0.9), exposure(30, above=0.9), nadir(1, None), nadir(2, None)]
    assert states(steps) == [(RULE, "start")]


def test_too_few_particles_raise_nothing_near_the_threshold() -> None:
    assert states([exposure(30 * i, above=0.85, ess=20.0) for i in range(4)]) == []
    assert states([exposure(30 * i, above=0.85, ess=500.0) for i in range(4)]) == [(RULE, "start")]


def test_a_pump_that_gives_too_much_of_the_drug_inhibits_it_while_the_course_runs_and_no_other_drug() -> None:
    (seen,) = exposure(0, above=0.9).exposures

    def told_of(drug: str) -> list[tuple[str, str | None]]:
        above = (replace(seen, drug=drug),)
        over = [replace(delivery(hour, 940, 940 * (hour - 4)), exposures=above) for hour in (5, 6)]
        ended = replace(over[1], time_ms=11 * HOUR_MS, delivery=delivery(11, 0, 6540).delivery)
        found = [one for one in told([*over, ended]) if one.rule == RULE]
        return [(one.phase, one.inhibited_by and one.inhibited_by.rule) for one in found]

    assert told_of("fluorouracil") == [("start", "delivery.overinfusion"), ("update", None)]
    assert told_of("irinotecan") == [("start", None)]
