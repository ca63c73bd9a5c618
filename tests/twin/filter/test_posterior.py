"""Levels and counts of two library models give the joint posterior: held against a long-run Markov chain.

Nothing of the twin is used on the other side: the models are written out by hand (compartments by their eigenvalues,
cells by the classical Runge-Kutta scheme in their own units), and so are prior, likelihood and sampler. Harder shapes
are in `tests.twin.test_hard_posteriors`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import optimize

from tests.twin.bedside import count, covariate, dose, level, plan, start, stop
from tests.twin.longrun import Floats, cells, log_normal, log_prior, long_run, with_midpoints
from twin import PatientTwin, load_model
from twin.events import InputEvent
from twin.filter.belief import Belief

pytestmark = pytest.mark.slow


# --- the other side --------------------------------------------------------------------------------------------------


def exponentials(a: Floats, rate: Sequence[tuple[float, float]], times: Floats) -> Floats:
    """Amounts (T, N) in the first compartment of dx/dt = a x + e1 u(t), a (N, S, S), u given as (from, rate) steps."""
    values, vectors = np.linalg.eig(a)
    entering = np.linalg.inv(vectors)[:, :, 0]
    amount = np.zeros((len(times), len(a)))
    before = 0.0
    for since, now in rate:
        past = np.maximum(times - since, 0.0)[:, None, None]
        mode = np.expm1(values * past) / values
        amount += (now - before) * np.einsum("ns,tns,ns->tn", vectors[:, 0, :], mode, entering)
        before = now
    return amount


@dataclass
class Study:
    """A patient: prior variances, doses and values, and the log likelihood of eta (N, d) worked out by hand."""

    variances: Floats
    log_likelihood: Callable[[Floats], Floats]

    def log_density(self, eta: Floats) -> Floats:
        value = self.log_likelihood(eta) + log_prior(eta, np.diag(self.variances))
        return np.where(np.isfinite(value), value, -np.inf)

    def sampled(self, seed: int) -> Floats:
        """Draws (M, d) of a long run."""
        return long_run(self.log_likelihood, np.diag(self.variances), seed).eta


def most_probable(study: Study) -> Floats:
    """The posterior mode (d,): what an empirical Bayes estimation reports."""
    step = 1e-4 * np.eye(len(study.variances))

    def descent(eta: Floats) -> tuple[float, Floats]:
        value = -study.log_density(np.vstack([eta, eta + step, eta - step]))
        return float(value[0]), (value[1 : len(eta) + 1] - value[len(eta) + 1 :]) / 2e-4

    return np.asarray(optimize.minimize(descent, np.zeros(len(study.variances)), jac=True, method="BFGS").x)


def assert_agree(belief: Belief, reference: Floats) -> None:
    """Means within 0.15 standard deviations, standard deviations within 15 %, correlations within 0.15."""
    mean = belief.weight @ belief.eta
    sd = np.sqrt(belief.weight @ (belief.eta - mean) ** 2)
    known = reference.std(axis=0)
    np.testing.assert_allclose((mean - reference.mean(axis=0)) / known, 0.0, atol=0.15)
    np.testing.assert_allclose(sd / known, 1.0, atol=0.15)
    found = np.cov(belief.eta.T, aweights=belief.weight)
    correlation = found / np.outer(sd, sd)
    np.testing.assert_allclose(correlation, np.corrcoef(reference.T), atol=0.15)


# --- docetaxel: levels and neutrophils together ----------------------------------------------------------------------

LEVELS = {1.5: 0.62, 6.0: 0.055}
COUNTS = {96.0: 3.1, 168.0: 0.75, 240.0: 0.45}


def docetaxel() -> Study:
    nodes = np.unique(
        np.concatenate(
            [np.arange(0, 1, 0.05), np.arange(1, 4, 0.1), np.arange(4, 24, 0.5), np.arange(24, 241, 3), [1.5]]
        )
    )
    fine = with_midpoints(nodes)

    def log_likelihood(eta: Floats) -> Floats:
        clearance, v1, mtt, slope, ip0 = (
            value * np.exp(column) for value, column in zip((35.7, 6.94, 113.0, 17.9, 5.19), eta.T, strict=True)
        )
        q2, v2, q3, v3, mit = 5.58, 7.39, 12.5, 225.0, 35.5
        a = np.zeros((len(eta), 3, 3))
        a[:, 0, 0], a[:, 0, 1], a[:, 0, 2] = -(clearance + q2 + q3) / v1, q2 / v2, q3 / v3
        a[:, 1, 0], a[:, 1, 1] = q2 / v1, -q2 / v2
        a[:, 2, 0], a[:, 2, 2] = q3 / v1, -q3 / v3
        concentration = exponentials(a, [(0.0, 96.0), (1.0, 0.0)], fine) / v1
        pool = ip0 / mit * np.exp(-fine / mit)[:, None]
        count = cells(concentration, pool, nodes, np.full(len(eta), 4.0), 4 / mtt, slope, 0.196)
        total = np.zeros(len(eta))
        for time, value in LEVELS.items():
            level = concentration[np.searchsorted(fine, time)]
            total += log_normal(value, level, 0.268 * level)
        for time, value in COUNTS.items():
            total += log_normal(np.log(value), np.log(count[np.searchsorted(nodes, time)]), 0.291)
        return total

    return Study(np.array([0.1478, 0.0673, 0.01225, 0.3818, 0.793]), log_likelihood)


def test_docetaxel_levels_and_counts_give_the_joint_posterior() -> None:
    events: list[InputEvent] = [
        covariate(-1, "ANC0", 4.0, "10*9/L"),
        plan(-1, (0, 96.0, 1.0), drug="docetaxel"),
        dose(0, 8.0, drug="dexamethasone"),
        start(0, 96.0, drug="docetaxel"),
        stop(1, drug="docetaxel"),
        *(level(hours, value, analyte="docetaxel") for hours, value in LEVELS.items()),
        *(count(hours, value) for hours, value in COUNTS.items()),
    ]
    twin = PatientTwin("P-1", load_model("docetaxel_ozawa2007"))
    assert twin.observe(events).rejected == ()
    assert twin.belief.observations == 5
    assert_agree(twin.belief, docetaxel().sampled(seed=1))
    mode = twin.mode()
    assert mode is not None
    assert mode.converged
    np.testing.assert_allclose(mode.eta, most_probable(docetaxel()), atol=2e-3)


# --- 5-fluorouracil: levels during the infusion and leukocytes -------------------------------------------------------

FU_LEVELS = {2.0: 0.75, 22.0: 0.41, 44.0: 0.66}
FU_COUNTS = {168.0: 5.0, 288.0: 3.4}


def fluorouracil() -> Study:
    nodes = np.unique(
        np.concatenate([np.arange(0, 4, 0.1), np.arange(4, 52, 0.5), np.arange(52, 289, 4), [44, 46, 288]])
    )
    fine = with_midpoints(nodes)

    def log_likelihood(eta: Floats) -> Floats:
        clearance, vc, base = (value * np.exp(column) for value, column in zip((179.0, 5.56, 6.86), eta.T, strict=True))
        q, vp, mtt = 14.8, 28.5, 281.0
        a = np.zeros((len(eta), 2, 2))
        a[:, 0, 0], a[:, 0, 1] = -(clearance + q) / vc, q / vp
        a[:, 1, 0], a[:, 1, 1] = q / vc, -q / vp
        concentration = exponentials(a, [(0.0, 4320 / 46), (46.0, 0.0)], fine) / vc
        slope = np.full(len(eta), 1.17)
        count = cells(concentration, np.zeros_like(concentration), nodes, base, np.full(len(eta), 4 / mtt), slope, 0.17)
        total = np.zeros(len(eta))
        for time, value in FU_LEVELS.items():
            level = concentration[np.searchsorted(fine, time)]
            total += log_normal(value, level, 0.583 * level)
        for time, value in FU_COUNTS.items():
            here = count[np.searchsorted(nodes, time)]
            total += log_normal(value, here, 0.283 * here)
        return total

    return Study(np.array([0.111842, 1.1322, 0.02654]), log_likelihood)


def test_fluorouracil_levels_and_leukocytes_give_the_joint_posterior() -> None:
    events: list[InputEvent] = [
        covariate(-1, "BSA", 1.8, "m2"),
        plan(-1, (0, 4320.0, 46.0), drug="fluorouracil"),
        start(0, 4320 / 46, drug="fluorouracil"),
        stop(46, drug="fluorouracil"),
        *(level(hours, value, analyte="fluorouracil") for hours, value in FU_LEVELS.items()),
        *(count(hours, value, analyte="WBC") for hours, value in FU_COUNTS.items()),
    ]
    twin = PatientTwin("P-1", load_model("fluorouracil_yamada2025"))
    assert twin.observe(events).rejected == ()
    assert twin.belief.observations == 5
    reference = fluorouracil().sampled(seed=2)
    assert_agree(twin.belief, reference)
    # A comparison that could not fail would prove nothing: a clearance 10 % off is noticed.
    with pytest.raises(AssertionError):
        assert_agree(replace(twin.belief, eta=twin.belief.eta + np.array([0.1, 0.0, 0.0])), reference)
