"""A version is accepted where patients it has not seen say that it is better, and no subgroup that it is worse."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.learning.known import OMEGA, TRUE_OMEGA, TRUE_SHIFT, anchor, particles, ward
from twin.learning.contribution import Reach
from twin.learning.judgement import Verdict, gains, subgroup, verdict
from twin.learning.population import Theta

MEASURED, VARIANCE = ward(150, seed=9)
LATER = particles(MEASURED, VARIANCE, 1000, (np.zeros(2), 2 * OMEGA))
SD = anchor().sd
PUBLISHED = anchor().published
TRUE = Theta(TRUE_SHIFT / SD, TRUE_OMEGA / np.outer(SD, SD))


def judged(candidate: Theta, current: Theta) -> Verdict:
    return verdict(gains(LATER, candidate, current), [one.covariates for one in LATER])


def test_the_true_population_is_better_than_a_wrong_one() -> None:
    found = judged(TRUE, PUBLISHED)
    assert found.accepted, found.reasons
    assert found.better_by == pytest.approx(np.mean(gains(LATER, TRUE, PUBLISHED)))
    assert not judged(PUBLISHED, TRUE).accepted


def test_gains_are_those_of_the_likelihood() -> None:
    from scipy import stats

    for found, m, v in zip(gains(LATER, TRUE, PUBLISHED), MEASURED, VARIANCE, strict=True):
        new, old = (
            stats.multivariate_normal.logpdf(m, mean, omega + np.diag(v))
            for mean, omega in ((TRUE_SHIFT, TRUE_OMEGA), (np.zeros(2), OMEGA))
        )
        assert found == pytest.approx(new - old, abs=0.15)


def test_a_subgroup_that_loses_keeps_a_version_out() -> None:
    better = np.r_[np.full(40, 0.5), np.full(10, -0.2)] + np.random.default_rng(0).normal(0, 0.1, 50)
    weights = [{"WT": 60.0}] * 40 + [{"WT": 2.0}] * 10
    light = subgroup("WT<3", ["WT"])
    assert verdict(better.tolist(), weights).accepted
    found = verdict(better.tolist(), weights, [light])
    assert not found.accepted
    assert found.reasons == (f"WT<3: worse by {-better[40:].mean():.3g} in log score a patient",)


def test_what_cannot_be_shown_is_not_accepted() -> None:
    known = [{"WT": 60.0}] * 30
    assert verdict([0.1] * 10, known[:10]).reasons == ("10 patients judged, at least 20 must",)
    assert "may be chance" in verdict(np.random.default_rng(1).normal(0, 1, 30).tolist(), known).reasons[0]
    (few,) = verdict(np.linspace(0.5, 1, 30).tolist(), known, [subgroup("WT>=80", ["WT"])]).reasons
    assert few == "WT>=80: 0 patients, at least 5 must show that none loses"
    assert verdict([], []).p_value == 1


def test_judges_whose_particles_do_not_reach_are_named() -> None:
    found = verdict([0.5, 0.4] * 15, [{}] * 30, (), [Reach("P7", 0.02, 0.3), Reach("P9", 0.5, 0.9)])
    assert found.reasons == ("2 whose particles do not reach a version (P7, P9): fold them again",)


@pytest.mark.parametrize("text", ["WT", "WT<", "HT<3", "WT<inf", "<3"])
def test_a_subgroup_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"write NAME<NUMBER.*covariates are WT"):
        subgroup(text, ["WT"])


def test_levels_are_subgroups_too() -> None:
    women = subgroup("SEX=1", ["SEX"])
    assert women.holds({"SEX": 1.0})
    assert not women.holds({"SEX": 0.0})
