"""The test of uniformity raises no more false alarms than it says, for all points at once, and sees what is not so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from twin.randomness import generator
from twin.study.uniformity import POINTS, envelope, p_value


@pytest.mark.slow
def test_false_alarms_come_about_as_often_as_stated_and_not_more_often() -> None:
    rng = generator("false alarms")
    found = np.array([p_value(rng.random(80)) for _ in range(600)])
    for alpha in (0.01, 0.05, 0.2):
        raised = int(np.count_nonzero(found <= alpha))
        assert stats.binomtest(raised, len(found), alpha, "greater").pvalue > 0.01, f"{raised} of 600 at {alpha}"
        assert raised >= 0.3 * alpha * len(found), "not so cautious that nothing is ever noticed"


@pytest.mark.parametrize(
    "distort",
    [
        pytest.param(lambda u: u**1.5, id="shifted"),
        pytest.param(lambda u: 0.5 + 0.7 * (u - 0.5), id="too wide a prediction"),
        pytest.param(lambda u: stats.norm.cdf(1.5 * stats.norm.ppf(u)), id="too narrow a prediction"),
        pytest.param(lambda u: np.where(u < 0.1, 0.5, u), id="a lower tail that never comes"),
    ],
)
def test_what_is_not_uniform_is_seen(distort: object) -> None:
    assert callable(distort)
    uniform = (np.arange(400) + generator("strata").random(400)) / 400
    assert p_value(uniform) > 0.5
    assert p_value(distort(uniform)) < 1e-3


def test_the_envelope_is_what_the_test_accepts() -> None:
    rng = generator("envelope")
    bound = envelope(120, 0.05)
    assert (bound.low < POINTS).all()
    assert (bound.high > POINTS).all()
    agree = 0
    for _ in range(300):
        values = rng.beta(1.0, 1.15, 120)
        share = np.array([(values < z).mean() for z in POINTS])
        inside = bool(((share >= bound.low) & (share <= bound.high)).all())
        agree += inside == (p_value(values) > 0.05)
    assert agree >= 297, "but for p-values that lie on the threshold itself"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_any_values_have_a_p_value_and_their_order_does_not_matter(values: list[float]) -> None:
    found = p_value(np.array(values))
    assert 0 < found <= 1
    assert p_value(np.array(values[::-1])) == found


@pytest.mark.parametrize(
    ("values", "said"), [([], "there is none"), ([0.2, 1.5], "must lie in"), ([float("nan")], "must lie in")]
)
def test_values_that_are_no_probabilities_are_refused(values: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        p_value(np.array(values))
