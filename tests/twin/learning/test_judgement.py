"""A version is accepted where patients it has not seen say that it is better, and no subgroup that it is worse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tests.twin.learning.figures import released
from tests.twin.learning.known import OMEGA, TRUE_OMEGA, TRUE_SHIFT, anchor, particles, ward
from twin.learning.contribution import Reach
from twin.learning.judgement import LEVEL, Verdict, gains, verdict
from twin.learning.population import Theta
from twin.learning.tally import MOST_OF_ONE, subgroup, tally

MEASURED, VARIANCE = ward(150, seed=9)
LATER = particles(MEASURED, VARIANCE, 1000, (np.zeros(2), 2 * OMEGA))
SD = anchor().sd
PUBLISHED = anchor().published
TRUE = Theta(TRUE_SHIFT / SD, TRUE_OMEGA / np.outer(SD, SD))


def judged(candidate: Theta, current: Theta) -> Verdict:
    return verdict(tally(gains(LATER, candidate, current), [one.covariates for one in LATER]))


def of(*better: float) -> Verdict:
    return verdict(tally(better, [{}] * len(better)))


def test_the_true_population_is_better_than_a_wrong_one() -> None:
    found = judged(TRUE, PUBLISHED)
    assert found.accepted, found.reasons
    each = np.array(gains(LATER, TRUE, PUBLISHED))
    assert found.better_by == pytest.approx(each.mean())
    assert found.error == pytest.approx(each.std(ddof=1) / math.sqrt(150))
    assert found.log_ratio == pytest.approx(np.minimum(each, MOST_OF_ONE).sum())
    assert not judged(PUBLISHED, TRUE).accepted


def test_gains_are_those_of_the_likelihood() -> None:
    for found, m, v in zip(gains(LATER, TRUE, PUBLISHED), MEASURED, VARIANCE, strict=True):
        new, old = (
            stats.multivariate_normal.logpdf(m, mean, omega + np.diag(v))
            for mean, omega in ((TRUE_SHIFT, TRUE_OMEGA), (np.zeros(2), OMEGA))
        )
        assert found == pytest.approx(new - old, abs=0.15)


def test_a_version_in_use_that_is_right_is_rarely_replaced_however_often_one_looks() -> None:
    """Ville's inequality has it in 1 ward of 20 at most; a wrong one is replaced in nearly all."""
    rng = np.random.default_rng(3)
    assert sum(released(rng, 0.0) is not None for _ in range(100)) <= 100 * LEVEL
    assert sum(released(rng, 0.5) is not None for _ in range(20)) >= 19


def test_judges_of_versions_before_count_on() -> None:
    part = tally([0.05] * 30, [{}] * 30)
    assert not verdict(part).accepted
    found = verdict(part, [part])
    assert (found.patients, found.judges) == (30, 60)
    assert found.log_ratio == pytest.approx(3.0)
    assert found.accepted
    lost = verdict(part, [part, tally([-0.5] * 4, [{}] * 4)])
    assert lost.reasons == (
        "the running likelihood ratio of 64 patients is 2.7, and 20 would show that it is not chance; let later "
        "patients judge too",
    )


def test_a_version_that_its_own_judges_call_worse_is_not_taken_for_those_before_it() -> None:
    found = verdict(tally([-0.01] * 5, [{}] * 5), [tally([0.2] * 30, [{}] * 30)])
    assert found.reasons == ("its own 5 judges say that it is worse by 0.01 in log score",)


def test_nobody_decides_alone() -> None:
    assert not of(50.0, *[0.0] * 30).accepted
    assert of(*[0.5] * 30).accepted


def test_a_subgroup_that_loses_keeps_a_version_out() -> None:
    better = np.r_[np.full(40, 0.5), np.full(10, -0.2)] + np.random.default_rng(0).normal(0, 0.1, 50)
    weights = [{"WT": 60.0}] * 40 + [{"WT": 2.0}] * 10
    light = subgroup("WT<3", ["WT"])
    assert verdict(tally(better.tolist(), weights)).accepted
    found = verdict(tally(better.tolist(), weights, [light]))
    assert not found.accepted
    assert found.reasons == (f"WT<3: worse by {-better[40:].mean():.3g} in log score a patient",)
    made_up_for = verdict(tally([0.5] * 6, [{"WT": 2.0}] * 6, [light]), [tally(better.tolist(), weights, [light])])
    assert made_up_for.accepted, "all judges of the group count, whichever version was theirs"


def test_what_cannot_be_shown_is_not_accepted() -> None:
    known = [{"WT": 60.0}] * 30
    assert of(*[0.9] * 10).reasons == ("10 patients judged, at least 20 must",)
    assert "running likelihood ratio" in of(*np.random.default_rng(1).normal(0, 0.1, 30)).reasons[0]
    (few,) = verdict(tally(np.linspace(0.5, 1, 30).tolist(), known, [subgroup("WT>=80", ["WT"])])).reasons
    assert few == "WT>=80: 0 patients, at least 5 must show that none loses"
    assert not of().accepted


def test_judges_whose_particles_do_not_reach_are_named() -> None:
    found = verdict(tally([0.5, 0.4] * 15, [{}] * 30), (), [Reach("P7", 0.02, 0.3), Reach("P9", 0.5, 0.9)])
    assert found.reasons == ("2 whose particles do not reach a version (P7, P9): fold them again",)
