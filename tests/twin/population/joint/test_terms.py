"""What correlated residuals add is what the normal distribution of values measured together says, and its slopes."""

from __future__ import annotations

import numpy as np
import pytest

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec
from twin.population.joint.instants import Group
from twin.population.joint.terms import Pairs, Spread, joined
from twin.population.residuals import Terms, away, bend_of_scale, spread, terms

ERRORS = (
    ErrorSpec("combined", 0.4, 0.2, None, None, None),
    ErrorSpec("proportional", 0.0, 0.3, None, None, None),
    ErrorSpec("power", 0.0, 0.25, None, None, None, exponent=0.7),
    ErrorSpec("box_cox", 0.2, 0.0, None, None, None, box_cox=0.4),
)
C = np.array([[1.0, 0.5, -0.3, 0.2], [0.5, 1.0, 0.2, -0.1], [-0.3, 0.2, 1.0, 0.4], [0.2, -0.1, 0.4, 1.0]])
Y, F, F0 = np.array([3.0, 2.0, 5.0, 1.4]), np.array([2.4, 2.7, 4.1, 1.1]), np.array([2.0, 3.0, 4.5, 0.9])
COUNT = len(Y)
GROUP = Group(np.arange(COUNT)[None], np.array([0]), C, np.linalg.inv(C) - np.eye(COUNT))


def spreads(f: Floats, at: Floats | None = None) -> Spread:
    at = f if at is None else at
    each = [(*spread(e, f[i : i + 1]), *bend_of_scale(e, at[i : i + 1])) for i, e in enumerate(ERRORS)]
    return Spread(*(np.concatenate(one) for one in zip(*each, strict=True)))


def apart(f: Floats) -> Floats:
    return np.concatenate([away(e, Y[i : i + 1], f[i : i + 1]) for i, e in enumerate(ERRORS)])


def found(f: Floats, f0: Floats | None = None) -> tuple[Terms, Pairs]:
    alone = [terms(e, Y[i : i + 1], f[i : i + 1], None if f0 is None else f0[i : i + 1]) for i, e in enumerate(ERRORS)]
    of = Terms(*(np.concatenate(each) for each in zip(*alone, strict=True)))
    return joined(of, [GROUP], apart(f), spreads(f if f0 is None else f0, f), interaction=f0 is None)


def covariance(f: Floats) -> Floats:
    s = np.sqrt(spreads(f).r)
    return np.asarray(C * np.outer(s, s))


def test_together_they_are_multivariate_normal() -> None:
    r, z = covariance(F), apart(F)
    expected = 0.5 * (z @ np.linalg.solve(r, z) + np.linalg.slogdet(r)[1])
    expected += sum((1 - e.box_cox) * np.log(y) for e, y in zip(ERRORS, Y, strict=True) if e.box_cox is not None)
    assert found(F)[0].u.sum() == pytest.approx(expected, rel=1e-12)


def test_the_information_is_that_of_a_normal_whose_covariance_moves_with_its_mean() -> None:
    h, inverse = 1e-6, np.linalg.inv(covariance(F))
    moved = [inverse @ (covariance(F + h * e) - covariance(F - h * e)) / (2 * h) for e in np.eye(COUNT)]
    slope = (apart(F - h) - apart(F + h)) / (2 * h)
    expected = inverse * np.outer(slope, slope)
    expected += np.array([[0.5 * np.trace(a @ b) for b in moved] for a in moved])
    own, pairs = found(F)
    got = np.diag(own.w)
    got[pairs.a, pairs.b] = got[pairs.b, pairs.a] = pairs.w
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("interaction", [True, False])
def test_slopes_by_predictions_are_what_differences_say(interaction: bool) -> None:
    typical = None if interaction else F0
    own, pairs = found(F, typical)
    h, second = 1e-6, np.diag(own.u_ff)
    second[pairs.a, pairs.b] = second[pairs.b, pairs.a] = pairs.u
    for i, step in enumerate(h * np.eye(COUNT)):
        (up, up_pairs), (down, down_pairs) = found(F + step, typical), found(F - step, typical)
        assert own.u_f[i] == pytest.approx((up.u - down.u).sum() / (2 * h), rel=1e-6)
        np.testing.assert_allclose(second[i], (up.u_f - down.u_f) / (2 * h), rtol=1e-6, atol=1e-7)
        by = np.where(pairs.a == i, pairs.w_a, np.where(pairs.b == i, pairs.w_b, 0.0))
        np.testing.assert_allclose(by, (up_pairs.w - down_pairs.w) / (2 * h), rtol=1e-5, atol=1e-7)
        assert own.w_f[i] == pytest.approx((up.w - down.w)[i] / (2 * h), rel=1e-5, abs=1e-8)


def test_slopes_by_predictions_of_the_typical_patient_are_what_differences_say() -> None:
    own, pairs = found(F, F0)
    h = 1e-6
    of_u_f = np.diag(own.u_f0)
    of_u_f[pairs.a, pairs.b], of_u_f[pairs.b, pairs.a] = pairs.u_0a, pairs.u_0b
    for i, step in enumerate(h * np.eye(COUNT)):
        (up, up_pairs), (down, down_pairs) = found(F, F0 + step), found(F, F0 - step)
        assert own.u_0[i] == pytest.approx((up.u - down.u).sum() / (2 * h), rel=1e-6)
        np.testing.assert_allclose(of_u_f[:, i], (up.u_f - down.u_f) / (2 * h), rtol=1e-6, atol=1e-7)
        by = np.where(pairs.a == i, pairs.w_0a, np.where(pairs.b == i, pairs.w_0b, 0.0))
        np.testing.assert_allclose(by, (up_pairs.w - down_pairs.w) / (2 * h), rtol=1e-5, atol=1e-7)
