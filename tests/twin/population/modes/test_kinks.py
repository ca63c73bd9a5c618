"""Minima at a kink are found by slopes that are differences, and fits of lags and durations end at one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of
from twin.arrays import Floats, Integers
from twin.population.cohort import Cohort
from twin.population.modes import kinks
from twin.population.modes.descent import Look, descend
from twin.population.modes.kinks import balanced, beside, level_share
from twin.population.objective import Objective
from twin.population.results.uncertainty import uncertainty
from twin.population.search import State, bounds, search

H = 3e-4
"""What slopes are differences over."""


def bent(x: Floats, y: Floats) -> Floats:
    """Two parabolas that lean on one another, and a kink at x = 0.3 that holds the minimum."""
    return 0.5 * (x - 1.0) ** 2 + 0.5 * (y - x) ** 2 + 2.0 * np.maximum(x - 0.3, 0.0)


def gradient(eta: Floats) -> Floats:
    x, y = eta
    return np.array([bent(x + H, y) - bent(x - H, y), bent(x, y + H) - bent(x, y - H)]) / (2.0 * H)


def looks(which: Integers, eta: Floats) -> Look:
    """What descents see of `bent`; its curvature knows nothing of the kink."""
    curvature = np.repeat(np.array([[[2.0, -1.0], [-1.0, 1.0]]]), len(which), axis=0)
    slopes = np.array([gradient(one) for one in eta])
    return Look(bent(eta[:, 0], eta[:, 1]), slopes, curvature.copy(), curvature.copy())


def test_a_mode_at_a_kink_settles_where_the_slope_is_none() -> None:
    found = descend(looks, np.eye(2), np.array([0, 0, 1]), np.array([[-1.0, 2.0], [0.9, 0.0], [2.0, 2.0]]))
    assert found.settled.all()
    for eta in found.eta:
        np.testing.assert_allclose(gradient(eta), 0.0, atol=1e-3)
        np.testing.assert_allclose(eta, 0.3, atol=2.0 * H)


def test_balance_is_not_found_where_nothing_can_be_computed() -> None:
    assert balanced(lambda at: np.full_like(at, np.nan), np.zeros(2), np.eye(2), 1e-4) is None


def test_balance_is_not_looked_for_where_nothing_has_a_scale() -> None:
    assert balanced(lambda at: at, np.ones(2), np.array([[1e300, 1e300], [1e300, 1e300]]), 1e-4) is None
    assert balanced(lambda at: at, np.ones(2), np.full((2, 2), np.inf), 1e-4) is None


def test_balance_is_not_looked_for_by_changes_of_slopes_that_are_no_curvature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinks, "taught", lambda *_: np.zeros((2, 2)))
    assert balanced(gradient, np.array([-1.0, 2.0]), np.eye(2), 1e-9) is None


def test_a_share_of_a_step_is_level_where_the_slope_jumps() -> None:
    def slope(share: float) -> float:
        return float(np.clip((share - 0.37) * 1e5, -1.0, 20.0))

    assert level_share(slope, slope(0.0)) == pytest.approx(0.37, abs=1e-6)
    assert level_share(lambda _: -1.0, -1.0) == 1.0


def test_starts_beside_a_mode_are_as_far_as_it_is_known() -> None:
    found = beside(np.array([[1.0, 2.0]]), np.array([[[0.04, 0.0], [0.0, 0.25]]]))
    assert found.shape == (1, 9, 2)
    np.testing.assert_allclose(found[0, 0], [1.0, 2.0])
    np.testing.assert_allclose(found[0, 1:3], [[1.2, 2.0], [1.0, 2.5]])
    np.testing.assert_allclose(found[0, -1], [1.0, 0.75])


TIMES = np.array([0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 24.0])


def zero_order(seed: int, start: tuple[float, float, float] = (5.0, 40.0, 2.5), iiv: float = 0.1) -> Cohort:
    """40 patients whose dose of 100 mg enters evenly over a time of their own, by the closed form; values at whole
    hours, which that time ends at or near in many."""
    rng = np.random.default_rng(seed)
    lines = ["ID,TIME,EVID,AMT,RATE,DV"]
    for n in range(1, 41):
        cl, v, d = np.array([5.0, 40.0, 2.5]) * np.exp(rng.normal(0.0, [0.3, 0.2, 0.35]))
        during = 1.0 - np.exp(-cl / v * np.minimum(TIMES, d))
        levels = 100.0 / d / cl * during * np.exp(-cl / v * np.maximum(TIMES - d, 0.0))
        values = levels * (1.0 + 0.1 * rng.standard_normal(len(TIMES)))
        lines.append(f"{n},0,1,100,-2,.")
        lines += [f"{n},{t},0,.,.,{y:.6f}" for t, y in zip(TIMES, values, strict=True)]
    cl, v, d = start
    model = toys.made(
        {"CL": f"{cl} L/h {iiv}", "V": f"{v} L {iiv}", "D1": f"{d} h {iiv}"},
        {"A": "mg: input(toxin, duration=D1) - CL/V*A"},
        {"plasma": "mg/L: A/V"},
    )
    return cohort_of(model, lines, "plasma")


def test_durations_of_zero_order_are_found_from_near_and_from_afar() -> None:
    ends = []
    for cohort in (zero_order(4), zero_order(4, (1.7, 120.0, 0.8), 1.0)):
        objective, theta = Objective(cohort), cohort.theta
        state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
        assert state.why == "converged"
        assert here.settled.all()
        ends.append(here.total)
    assert ends[0] == pytest.approx(ends[1], abs=0.01)
    found = uncertainty(objective, theta, here)
    r, s = found.errors("R"), found.errors("S")
    assert r is not None
    assert s is not None
    np.testing.assert_allclose(r, s, rtol=0.4)
    away = (theta.natural(here.vector) - [5.0, 40.0, 2.5, 0.09, 0.04, 0.1225, 0.1]) / r
    assert np.abs(away).max() < 3.0


def lagged(seed: int) -> Cohort:
    """50 patients who take 100 mg every 12 h, absorbed after 0.5 h in everybody, and one value is from right then."""
    rng = np.random.default_rng(seed)
    times = np.array([0.75, 1.5, 3.0, 6.0, 11.9, 12.75, 14.0, 18.0, 60.5, 62.0, 66.0, 72.0, 84.0])
    lines = ["ID,TIME,EVID,AMT,ADDL,II,DV"]
    for n in range(1, 51):
        cl, v, ka = np.array([4.0, 35.0, 1.2]) * np.exp(rng.normal(0.0, [0.3, 0.2, 0.5]))
        after = np.maximum(times[:, None] - 0.5 - 12.0 * np.arange(6), 0.0)
        levels = (100.0 * ka / (v * (ka - cl / v)) * (np.exp(-cl / v * after) - np.exp(-ka * after))).sum(axis=1)
        values = levels * (1.0 + 0.1 * rng.standard_normal(len(times)))
        lines.append(f"{n},0,1,100,5,12,.")
        lines += [f"{n},{t},0,.,.,.,{y:.6f}" for t, y in zip(times, values, strict=True)]
    model = toys.made(
        {"CL": "4 L/h 0.09", "V": "35 L 0.04", "KA": "1.2 1/h 0.25", "LAG": "0.5 h"},
        {"D": "mg: input(toxin, lag=LAG) - KA*D", "A": "mg: KA*D - CL/V*A"},
        {"plasma": "mg/L: A/V"},
    )
    return cohort_of(model, lines, "plasma")


def test_a_lag_that_ends_when_everybody_has_a_value_is_an_end() -> None:
    cohort = lagged(2)
    theta = cohort.theta
    state, here = search(Objective(cohort), State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    assert state.why == "converged"
    assert theta.natural(here.vector)[theta.names.index("LAG")] == pytest.approx(0.5, abs=1e-3)
