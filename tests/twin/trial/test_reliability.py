"""Reliability of stated probabilities: what is right stays in its band, what is not does not."""

from __future__ import annotations

import numpy as np
import pytest

from twin.trial.reliability import EDGES, Stated, reliability


def stated(count: int, off: float, each: int = 3) -> list[Stated]:
    """Patients of probability p, stated ``each`` times, in whom it truly is p + off."""
    rng = np.random.default_rng(4)
    p = rng.uniform(0.05, 0.95, count)
    came = rng.random(count) < p + off
    return [Stated("event", f"P{i}", float(p[i]), bool(came[i])) for i in range(count) for _ in range(each)]


def test_probabilities_that_are_right_lie_within_their_bands_though_each_patient_was_asked_often() -> None:
    (found,) = reliability(stated(300, 0.0, each=20))
    assert found.held
    assert sum(one.patients for one in found.bins) == 300
    assert sum(one.statements for one in found.bins) == 6000


def test_probabilities_that_are_too_low_are_found_out() -> None:
    (found,) = reliability(stated(300, 0.3))
    assert not found.held


def test_whoever_leaves_the_lowest_bin_early_counts_there_by_what_was_said_and_no_more() -> None:
    """At first 4 % for everybody; on the next day it is known, and nothing is said of those who came to it."""
    rng = np.random.default_rng(8)
    found = []
    for patient in range(200):
        came = bool(rng.random() < 0.04)
        found.append(Stated("event", f"P{patient}", 0.04, came))
        found += [Stated("event", f"P{patient}", 0.0, False)] * (0 if came else 40)
    (lowest,) = reliability(found)[0].bins
    assert lowest.came == pytest.approx(lowest.stated, abs=0.002)
    assert lowest.held


def test_a_bin_of_few_patients_is_shown_and_not_judged() -> None:
    (found,) = reliability([Stated("event", "A", 0.02, True), Stated("event", "B", 1.0, False)])
    assert [one.judged for one in found.bins] == [False, False]
    assert found.held
    assert found.brier == pytest.approx((0.98**2 + 1) / 2)


def test_every_probability_has_its_bin() -> None:
    found = reliability(Stated(f"event {p}", "A", p, True) for p in (0.0, *EDGES))
    assert all(len(one.bins) == 1 for one in found)
    assert reliability([]) == ()
