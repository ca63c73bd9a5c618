from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.alerts.rules.views import by, delivery, exposure, nadir, states, told
from twin.alerts.rules.exposure.below_target import RULE, find
from twin.events import Subject


def test_a_lasting_probability_is_raised_with_target_and_freshness() -> None:
    (alert,) = told([exposure(0, below=0.9), exposure(30, below=0.9)])
    assert (alert.rule, alert.phase, alert.subject) == (RULE, "start", Subject("target", "fluorouracil_auc"))
    assert alert.probability == 0.9
    assert alert.freshness_hours == pytest.approx(2.0)
    assert alert.text == (
        "fluorouracil: exposure expected below 20 mg·h/L with probability 90% (median 31.4, target 20 to 30)."
    )


def test_a_prior_that_is_merely_wide_is_no_news() -> None:
    assert states([exposure(30 * i, above=0.45, below=0.45) for i in range(10)]) == []


def test_a_passing_probability_is_not_raised() -> None:
    assert states([exposure(0, below=0.9), exposure(20, below=0.7), exposure(40, below=0.9)]) == []


def test_clears_when_the_exposure_is_likely_within_the_target() -> None:
    steps = [exposure(0, below=0.85), exposure(30, below=0.85), exposure(60, below=0.78), exposure(90, below=0.5)]
    assert states(steps) == [(RULE, "start"), (RULE, "end")]


def test_the_other_side_of_the_window_is_another_rule() -> None:
    assert RULE not in [rule for rule, _ in states([exposure(0, above=0.99), exposure(30, above=0.99)])]


def test_a_finished_course_is_spoken_of_as_finished() -> None:
    (finding,) = find(exposure(0, below=0.9, running=False), by(RULE))
    assert finding.text.startswith("fluorouracil: exposure of the course below 20 mg·h/L")


def test_a_moment_without_exposure_holds_the_alert() -> None:
    steps = [exposure(0, below=0.9), exposure(30, below=0.9), nadir(1, None), nadir(2, None)]
    assert states(steps) == [(RULE, "start")]


def test_too_few_particles_raise_nothing_near_the_threshold() -> None:
    assert states([exposure(30 * i, below=0.85, ess=20.0) for i in range(4)]) == []
    assert states([exposure(30 * i, below=0.85, ess=500.0) for i in range(4)]) == [(RULE, "start")]


def test_a_pump_that_gives_too_little_of_the_drug_inhibits_it_until_it_goes_on() -> None:
    (seen,) = exposure(0, below=0.9).exposures
    slow = [replace(delivery(hour, 10, 1200), exposures=(seen,)) for hour in (5, 6)]
    on = replace(delivery(6.5, 93.9, 1250), exposures=(seen,))
    assert [
        (one.phase, one.inhibited_by and one.inhibited_by.rule) for one in told([*slow, on]) if one.rule == RULE
    ] == [
        ("start", "delivery.underinfusion"),
        ("update", None),
    ]
