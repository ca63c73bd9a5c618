"""Values measured together weigh the same whatever the method looks at them by, and gradients are right."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import stats

from tests.twin.population.joint import pairs
from twin.arrays import Floats, Integers
from twin.model.spec import ModelError
from twin.population.cohort import Cohort
from twin.population.diagnostics.residuals import residuals
from twin.population.diagnostics.simulated import simulated
from twin.population.importance.density import Density
from twin.population.joint.instants import Instants
from twin.population.laplace.laplace import LaplaceObjective
from twin.population.objective import Method, Objective
from twin.population.results.written import Provenance, fitted_model
from twin.population.theta import FitError, Theta


@functools.cache
def cohort() -> Cohort:
    return pairs.drawn(4)


def everybody() -> Integers:
    return np.arange(len(cohort()), dtype=np.int64)


def start() -> Floats:
    return cohort().theta.pack(cohort().theta.start)


def objective(method: Method) -> Objective:
    return LaplaceObjective(cohort()) if method == "laplace" else Objective(cohort(), method)


def test_values_of_both_outputs_at_an_instant_are_together_whoever_stands_how_often() -> None:
    found = Instants([s.observations for s in cohort().subjects], cohort().theta.start.errors)
    which = np.array([2, 0, 0], dtype=np.int64)
    (group,) = found.of(which, cohort().theta.start.errors)
    assert group.members.shape == (3 * len(pairs.TIMES), 2)
    for places, patient in zip(group.members, group.patient, strict=True):
        at = places - patient * 2 * len(pairs.TIMES)
        one, other = (cohort().subjects[which[patient]].observations[n] for n in at)
        assert (one.millis, one.output, other.output) == (other.millis, 0, 1)


def test_the_density_is_that_of_a_normal_of_both_and_the_same_for_laplace_as_for_draws() -> None:
    density, laplace = Density(cohort()), LaplaceObjective(cohort())
    theta, d = cohort().theta, cohort().effects
    population = theta.unpack(start())
    z = np.zeros((len(cohort()), 3, cohort().size))
    z[:, :, :d] = np.random.default_rng(2).normal(0, 0.2, (len(cohort()), 3, d))
    got = density.of(density.read(z, population.place), population.errors)
    rows = laplace.values.rows(everybody(), z, population.place)
    loss = laplace.values.weighed(everybody(), rows, population.errors).loss
    np.testing.assert_allclose(got, -loss.reshape(len(cohort()), -1, 3).sum(axis=1), rtol=1e-10)
    predicted = cohort().predictions(everybody(), z, population.place).reshape(len(cohort()), -1, 2, 3)
    c = np.array([[1.0, pairs.CORRELATION], [pairs.CORRELATION, 1.0]])
    for i, subject in enumerate(cohort().subjects):
        y = np.array([o.value for o in subject.observations]).reshape(-1, 2)
        for s in range(3):
            f, total = predicted[i, :, :, s], 0.0
            for (level, excreted), (a, b) in zip(y, f, strict=True):
                sd = np.array([0.2 * a, 0.3])
                away = [level - a, np.log(excreted / b)]
                total += stats.multivariate_normal(np.zeros(2), c * np.outer(sd, sd)).logpdf(away) + np.log(2 * np.pi)
            assert got[i, s] == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("method", ["focei", "foce", "laplace"])
def test_the_gradient_is_what_differences_say(method: Method) -> None:
    of = objective(method)
    first = of(start())
    assert "residual.plasma.urine" in cohort().theta.names
    for at, score in enumerate(first.score.T):
        step = np.eye(cohort().theta.size)[at] * 2e-4
        up, down = (of(start() + side * step, first, thorough=True) for side in (1.0, -1.0))
        np.testing.assert_allclose(score, (up.ofv - down.ofv) / 4e-4, atol=5e-4, err_msg=cohort().theta.names[at])


def test_without_correlation_they_count_as_alone() -> None:
    apart = pairs.drawn(4, of=pairs.model(""))
    together = objective("focei")
    none = start()
    none[cohort().theta.names.index("residual.plasma.urine")] = 0.0
    alone = Objective(apart, "focei")(apart.theta.pack(apart.theta.start))
    np.testing.assert_allclose(together(none).ofv, alone.ofv, rtol=1e-10)


def test_conditional_residuals_and_simulated_values_have_the_correlation() -> None:
    of = objective("focei")
    here = of(start(), thorough=True)
    assert np.isfinite(residuals(of, here).cwres).all()
    alike = cohort().theta.population({"omega.k": 1e-8, "omega.V": 1e-8})
    drawn = simulated(cohort(), alike, 1, 4000)
    scale = drawn[:, 0], np.log(drawn[:, 1])
    assert np.corrcoef(scale)[0, 1] == pytest.approx(pairs.CORRELATION, abs=0.03)


def test_what_was_found_is_written_and_read_again() -> None:
    theta = cohort().theta
    found = theta.population({"residual.plasma.urine": -0.25})
    written = fitted_model(theta, found, None, Provenance("a fit", 4), "again")
    assert written.outputs[1].error.beside == pytest.approx((-0.25,))
    assert Theta.of(written, ["residual.plasma.urine"]).joint == []


def test_what_cannot_be_weighed_is_named() -> None:
    with pytest.raises(FitError, match="method fo: residuals of outputs correlate"):
        objective("fo")
    with pytest.raises(ModelError, match="must name two different outputs whose error is normal: plasma, urine"):
        pairs.model(pairs.correlated(between='"plasma", "k"'))
    with pytest.raises(ModelError, match=r"correlation: is 1.2; it must lie between -1 and 1"):
        pairs.model(pairs.correlated(1.2))
    with pytest.raises(ModelError, match="listed twice"):
        pairs.model(2 * pairs.correlated())
