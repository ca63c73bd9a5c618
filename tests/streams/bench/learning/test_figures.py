"""Figures of many wards: bias over wards, and paired intervals of the next value's error, quarter by quarter."""

from __future__ import annotations

import numpy as np
import pytest

from streams.bench.learning.ward import AS_PUBLISHED, WARD, Number, Quarter, WardPlan, WardReport
from tests.streams.bench.learning.figures import biases, happening, lines, windows

PLANS = [WardPlan(2, 30, 100, seed=seed, truth=AS_PUBLISHED) for seed in (1, 2)]


def report(seed: int) -> WardReport:
    """A ward where the learnt version errs by 0.1 less than the published one, and whose numbers follow who came."""
    rng = np.random.default_rng(seed)
    published = rng.uniform(0.5, 1.5, 30)
    learnt = published - 0.1 + 0.01 * rng.standard_normal(30)
    alike = Quarter(WARD, np.stack([published] * 2, axis=1), released=True)
    better = Quarter("ward_1", np.stack([learnt, published], axis=1), released=False)
    numbers = tuple(
        Number(f"number {at}", 0.5, 0.02 + float(came), 0.022 + float(came), 0.021 + float(came), 0.0, 0.03)
        for at, came in enumerate(happening(PLANS[seed - 1]))
    )
    return WardReport(PLANS[seed - 1], 60, (alike, better), numbers, 0.1, 0.0, 3)


REPORTS = [report(1), report(2)]


def test_bias_is_told_without_the_chance_of_who_came() -> None:
    for one in biases(REPORTS):
        assert one.own_bias == pytest.approx(0.02)
        assert one.own_error == pytest.approx(0.0, abs=1e-12)
        assert one.error > 0
        assert one.start == 0.5
        assert one.off_ml == pytest.approx(0.001)


def test_windows_are_paired_by_patient() -> None:
    before, after = windows(REPORTS)
    assert (before.better, before.low, before.high, before.learnt) == (0.0, 0.0, 0.0, 0)
    assert after.better == pytest.approx(0.1, rel=0.1)
    assert 0 < after.high - after.low < 0.03, "far less than patients differ among themselves"
    assert (after.patients, after.learnt) == (60, 2)


def test_they_are_told_in_lines() -> None:
    said = lines("wards", REPORTS)
    assert said[0] == "wards: 2 wards of 60 patients, 6 folded again"
    assert "quarter 2" in said[-1]
    assert "60 patients, 2 wards under a learnt version, worst ward" in said[-1]
