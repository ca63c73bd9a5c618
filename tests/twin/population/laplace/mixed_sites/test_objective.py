"""With sites and classes the objective is Laplace's over the effects of a site, of patients' sums over classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from tests.twin.population.diagnostics.cohorts import cohort_of
from tests.twin.population.mixture import clinics
from tests.twin.population.sites.clinics import grouped
from twin.arrays import Floats
from twin.filter.posthoc import post_hoc as posthoc
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of, post_hoc
from twin.population.laplace.mixed_sites.objective import LaplaceMixedSiteObjective
from twin.population.objective import Evaluation, Method, Objective

METHODS: tuple[Method, ...] = ("focei", "foce", "laplace", "fo")


def at_start(of: Objective) -> Evaluation:
    """At the values of the model."""
    found = of(of.cohort.theta.pack(of.cohort.theta.start))
    assert found.settled.all()
    return found


def laplaces(every: list[list[float]]) -> float:
    """-2 log of Laplace's integral over b of what is exact given b."""

    def down(b: float) -> float:
        return -float(clinics.log_of_site(every, np.array([b]))[0])

    ends = optimize.minimize_scalar(down, bounds=(-4.0, 4.0), method="bounded", options={"xatol": 1e-10})
    h = 3e-3
    bend = (down(ends.x + h) - 2.0 * down(ends.x) + down(ends.x - h)) / h**2
    return 2.0 * ends.fun + float(np.log(bend / (2.0 * np.pi)))


@pytest.mark.parametrize("method", METHODS)
def test_where_all_is_normal_in_every_class_it_is_laplaces_of_the_exact_sums(method: Method) -> None:
    values = clinics.level_values()
    found = at_start(objective_of(clinics.of_levels(values), method))
    assert found.posterior is not None
    for who in grouped(clinics.CLINICS):
        every = [values[i] for i in who]
        likely, posterior = clinics.by_quadrature(every)
        if len(who) == 1:  # exact: b of each class has a normal law of its own
            assert found.ofv[who].sum() == pytest.approx(likely, abs=2e-6)
            np.testing.assert_allclose(found.posterior[who], posterior, atol=1e-6)
        else:
            assert found.ofv[who].sum() == pytest.approx(laplaces(every), abs=2e-5)
            assert found.ofv[who].sum() == pytest.approx(likely, abs=0.1)
            np.testing.assert_allclose(found.posterior[who], posterior, atol=0.04)


def alike() -> tuple[Cohort, Cohort]:
    """Patients of two classes between which nothing differs, and the same without classes."""
    text = clinics.levels_in_clinics().text.replace("value = 4\n", "value = 1\n")
    without = text.replace("where(SORT == 1, low, high)", "low").replace("[mixture]", "[gone]")
    without = without[: without.index("[gone]")] + without[without.index("[cadence]") :]
    values = clinics.level_values()
    lines = ["ID,TIME,EVID,AMT,DV,SITE"]
    for n, (own, site) in enumerate(zip(values, clinics.CLINICS, strict=True), start=1):
        lines += [f"{n},{t},0,.,{y},{site}" for t, y in enumerate(own)]
    return cohort_of(parse_model(text, "alike.toml"), lines), cohort_of(parse_model(without, "one.toml"), lines)


@pytest.mark.parametrize("method", METHODS)
def test_where_classes_are_alike_it_is_that_of_sites_alone(method: Method) -> None:
    mixed, alone = (objective_of(one, method) for one in alike())
    of_both, of_one = at_start(mixed), at_start(alone)
    np.testing.assert_allclose(of_both.ofv, of_one.ofv, atol=1e-6)
    np.testing.assert_allclose(of_both.eta[::2], of_one.eta, atol=1e-5)
    np.testing.assert_allclose(of_both.covariance[::2], of_one.covariance, atol=1e-5)
    theta, other = mixed.cohort.theta, alone.cohort.theta
    for name in ("shift", "omega.shift", "isv.shift", "error.plasma.additive"):
        one, two = of_both.score[:, theta.names.index(name)], of_one.score[:, other.names.index(name)]
        np.testing.assert_allclose(one, two, atol=2e-4, err_msg=name)
    both = of_both.gradient[theta.names.index("low")] + of_both.gradient[theta.names.index("high")]
    assert both == pytest.approx(of_one.gradient[other.names.index("low")], abs=2e-4)
    assert of_both.gradient[theta.names.index("share.slow")] == pytest.approx(0.0, abs=1e-6)


def cases() -> dict[str, Objective]:
    """Objectives of one cohort each."""
    cohort = clinics.of_eliminated()
    found: dict[str, Objective] = {method: objective_of(cohort, method) for method in METHODS}
    return found | {
        "limits, occasions and three classes": objective_of(clinics.of_three(), "laplace"),
        # Of sites all is flat, of patients some.
        "bounded": LaplaceMixedSiteObjective(clinics.of_three(), flat=3.0),
    }


@pytest.mark.parametrize("name", [*METHODS, "limits, occasions and three classes", "bounded"])
def test_the_gradient_is_what_differences_say(name: str) -> None:
    of = cases()[name]
    theta = of.cohort.theta
    first = of(theta.pack(theta.start) + 0.03)
    assert first.settled.all()
    for at in range(theta.size):
        step = 1e-4 * np.eye(theta.size)[at]
        up, down = (of(first.vector + side * step, first) for side in (1, -1))
        difference = (up.ofv - down.ofv).sum() / 2e-4
        assert first.gradient[at] == pytest.approx(difference, rel=5e-4, abs=6e-3), theta.names[at]
        np.testing.assert_allclose(first.moves[:, :, at], (up.eta - down.eta) / 2e-4, rtol=2e-3, atol=3e-3)


def test_scores_of_whoever_is_alone_are_that_patients_own() -> None:
    of = objective_of(clinics.of_eliminated(), "focei")
    theta = of.cohort.theta
    first = of(theta.pack(theta.start) + 0.05)
    alone = np.flatnonzero(np.array(clinics.CLINICS) == 0)
    assert first.independent.shape == (4, theta.size)
    for at in range(theta.size):
        step = 5e-4 * np.eye(theta.size)[at]
        up, down = (of(first.vector + side * step, first) for side in (1, -1))
        np.testing.assert_allclose(first.score[alone, at], (up.ofv - down.ofv)[alone] / 1e-3, rtol=1e-3, atol=1e-3)


def test_who_is_alone_counts_as_a_twin_of_each_class_does() -> None:
    of = objective_of(clinics.of_eliminated(), "focei")
    cohort, found = of.cohort, at_start(of)
    shares = np.array(clinics.LAW.shares)
    for alone in (i for i, site in enumerate(clinics.CLINICS) if site == 0):
        known = [posthoc(cohort.kernel, cohort.step_sizes, cohort.subjects[2 * alone + k].timeline) for k in range(2)]
        joint = shares * np.exp(-0.5 * np.array([one.ofv for one in known]))
        assert found.ofv[alone] == pytest.approx(-2.0 * np.log(joint.sum()), abs=2e-5)
        np.testing.assert_allclose(found.posterior[alone], joint / joint.sum(), atol=1e-5)  # type: ignore[index]
        for k, one in enumerate(known):
            np.testing.assert_allclose(found.eta[2 * alone + k], one.eta, atol=1e-4)
            np.testing.assert_allclose(found.covariance[2 * alone + k], one.covariance, rtol=1e-4, atol=1e-7)


AMBIGUOUS = [[3.0], [2.9, 3.3], [2.2], [3.4], [5.3], [3.3]]


def ambiguous() -> tuple[Cohort, Floats]:
    """Patients of two sites who may be of either class, since sites differ much: their cohort and sites."""
    text = clinics.levels_in_clinics().text.replace(f"isv = {clinics.LAW.isv}\n", "isv = 1.5\n")
    sites, lines = np.array([2, 2, 3, 3, 3, 0]), ["ID,TIME,EVID,AMT,DV,SITE"]
    text = text.replace(f"iiv = {clinics.LAW.iiv}\n", "iiv = 0.1\n")
    for n, (own, site) in enumerate(zip(AMBIGUOUS, sites.tolist(), strict=True), start=1):
        lines += [f"{n},{t},0,.,{y},{site}" for t, y in enumerate(own)]
    return cohort_of(parse_model(text, "ambiguous.toml"), lines), sites


def test_of_several_modes_of_a_site_a_thorough_search_ends_in_the_deepest() -> None:
    cohort, sites = ambiguous()
    of = objective_of(cohort, "focei")
    best = at_start(of)
    first = sites == 2
    # Both as one of the other class each, in a site that lies to the other side.
    other = np.where(np.repeat(first, 2), 1.0 if best.posterior[0, 0] < 0.5 else -1.0, 0.0)  # type: ignore[index]
    away = replace(best, eta=best.eta + 3.0 * other[:, None], posterior=best.posterior[:, ::-1])  # type: ignore[index]
    there = of(best.vector, away)
    assert there.ofv[first].sum() > best.ofv[first].sum() + 0.01
    np.testing.assert_allclose(of(best.vector, there, thorough=True).ofv, best.ofv, atol=1e-6)


def test_who_cannot_be_of_a_class_counts_as_one_of_another_and_who_can_be_of_none_makes_all_impossible() -> None:
    cohort = clinics.of_eliminated()
    for method in ("focei", "laplace"):
        of = objective_of(cohort, method)  # type: ignore[arg-type]
        first = at_start(of)
        theta = cohort.theta
        far = first.vector.copy()
        far[theta.names.index("ratio")] = 60.0  # who is fast has nothing left
        found = of(far, first)
        assert found.posterior is not None
        np.testing.assert_allclose(found.posterior[:, 0], 1.0)
        assert np.isfinite(found.ofv).all()
        assert np.isfinite(found.gradient).all()
        far[theta.names.index("CL")] = 800.0
        assert not np.isfinite(of(far, first).total)


def test_modes_of_a_line_are_those_of_focei_after_a_first_order_fit() -> None:
    cohort = clinics.of_eliminated()
    of = objective_of(cohort, "fo")
    found = post_hoc(of, at_start(of))
    np.testing.assert_allclose(found.eta, at_start(objective_of(cohort, "focei")).eta, atol=1e-4)
