"""Fits of effects that drift, held to a model in which everything is linear and normal."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy import optimize, stats

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of, straight
from tests.twin.population.importance.test_sampled import names_of
from twin.arrays import Floats
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.drift.walks import walking
from twin.population.importance.climbing import climb, first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.sampled import Sample
from twin.population.laplace.laplace import LaplaceObjective
from twin.population.laplace.methods import objective_of
from twin.population.means.approach import sought
from twin.population.objective import Objective
from twin.population.prior import Prior
from twin.population.results.written import Provenance, fitted_model
from twin.population.sampling.saem import settle
from twin.population.search import State, bounds
from twin.population.theta import FitError, Theta

HOURS = (0.0, 1.5, 3.5, 5.5, 7.5, 9.5)

GRID = 2.0

GAINED = {"base": 0.5, "slope": 0.02}
"""Variance that each effect gains in an hour."""


@functools.cache
def drifting() -> Model:
    """y = base + slope t with an additive error, whose base and slope drift at each second hour."""
    text = (
        straight()
        .text.replace("iiv = 4\n", "iiv = 4\ndrift = 0.5\n")
        .replace("iiv = 0.25\n", "iiv = 0.25\ndrift = 0.02\n")
    )
    return parse_model(f"{text}\n[drift]\ngrid = {GRID}\nlag = 20\n{toys.SOURCE}\n", "drifting.toml")


def law(theta: Theta, vector: Floats) -> stats._multivariate.multivariate_normal_frozen:
    """Of one patient's values, by the formula."""
    population, t = theta.unpack(vector), np.array(HOURS)
    design = np.stack([np.ones_like(t), t], axis=1)
    together = np.minimum(*np.meshgrid(*[np.floor(t / GRID)] * 2))
    covariance = design @ population.omega @ design.T + population.errors[0].additive ** 2 * np.eye(len(t))
    covariance += (design @ population.omega_iov @ design.T) * GRID * together
    return stats.multivariate_normal(design @ population.place, covariance)


@functools.cache
def cohort(patients: int = 6) -> Cohort:
    rng, lines, theta = np.random.default_rng(3), ["ID,TIME,EVID,AMT,DV"], Theta.of(drifting())
    each = law(theta, theta.pack(theta.start)).rvs(patients, random_state=rng)
    for i, values in enumerate(each, start=1):
        lines += [f"{i},{t},0,.,{y:.5f}" for t, y in zip(HOURS, values.tolist(), strict=True)]
    return cohort_of(drifting(), lines, "line")


def values_of(of: Cohort) -> Floats:
    return np.array([[o.value for o in subject.observations] for subject in of.subjects])


def exact(of: Cohort, vector: Floats) -> Floats:
    """-2 log likelihood of each without n log(2 pi)."""
    return np.asarray(-2.0 * law(of.theta, vector).logpdf(values_of(of)) - len(HOURS) * np.log(2 * np.pi))


def test_drifts_are_numbers_of_the_population_by_the_names_of_the_file() -> None:
    theta = Theta.of(drifting())
    assert theta.names[2:7] == ("omega.base", "omega.base.slope", "omega.slope", "drift.base", "drift.slope")
    assert np.diag(theta.start.omega_iov).tolist() == [*GAINED.values()]


@pytest.mark.parametrize("kind", [Objective, LaplaceObjective])
def test_the_objective_is_exact_where_all_is_normal_and_so_is_its_gradient(kind: type[Objective]) -> None:
    of = kind(cohort())
    theta = cohort().theta
    vector = theta.pack(theta.start)
    found = of(vector, thorough=True)
    np.testing.assert_allclose(found.ofv, exact(cohort(), vector), atol=2e-5)
    for at, score in enumerate(found.score.T):
        step = np.eye(theta.size)[at] * 1e-4
        slope = (exact(cohort(), vector + step) - exact(cohort(), vector - step)) / 2e-4
        np.testing.assert_allclose(score, slope, atol=2e-3, err_msg=theta.names[at])


def test_draws_of_steps_make_the_likelihood() -> None:
    density, theta = Density(cohort()), cohort().theta
    vector = theta.pack(theta.start)
    standard = even_draws(names_of(cohort()), 1, 4096, cohort().effects)
    sample = Sample(density, vector, first_proposals(density, vector), standard)
    np.testing.assert_allclose(-2.0 * sample.likelihood(vector).log, exact(cohort(), vector), atol=0.01)


def best(of: Cohort) -> tuple[Floats, Floats]:
    """The exact maximum (K,), and standard errors by the curvature there."""
    theta = of.theta

    def total(vector: Floats) -> float:
        return float(exact(of, vector).sum())

    found = optimize.minimize(total, theta.pack(theta.start), method="BFGS", options={"gtol": 1e-4})
    h = 1e-3 * np.eye(theta.size)
    curvature = [
        [total(found.x + a + b) - total(found.x + a - b) - total(found.x - a + b) + total(found.x - a - b) for b in h]
        for a in h
    ]
    return found.x, np.sqrt(2.0 * np.diag(np.linalg.inv(np.array(curvature) / 4e-6)))


@pytest.mark.slow
def test_ends_are_the_exact_maximum() -> None:
    of = cohort(40)
    expected, errors = best(of)
    state, here = sought(
        objective_of(of, "focei"), State(of.theta.pack(of.theta.start)), lambda *_: None, bounds(of.theta)
    )
    assert state.why == "converged"
    np.testing.assert_allclose((here.vector - expected) / errors, 0.0, atol=0.02)
    density = Density(of)
    climbed = climb(density, of.theta.pack(of.theta.start))
    assert climbed.why == "converged"
    np.testing.assert_allclose((climbed.vector - expected) / errors, 0.0, atol=0.25)
    settled = settle(density, of.theta.pack(of.theta.start))
    np.testing.assert_allclose((settled.vector - expected) / errors, 0.0, atol=0.5)


def test_what_was_fitted_is_written_as_a_file_with_its_drift() -> None:
    theta = Theta.of(drifting())
    vector = theta.pack(theta.start)
    vector[theta.names.index("drift.base")] += np.log(1.3)  # of the standard deviation
    written = fitted_model(theta, theta.unpack(vector), None, Provenance("a fit", 6), "fitted")
    again = {p.name: p.drift for p in written.parameters if p.drift is not None}
    assert again == pytest.approx({"base": 0.5 * 1.69, "slope": 0.02})
    assert written.iov_names == ()
    assert written.drift == drifting().drift


def test_a_drift_that_is_fixed_stays() -> None:
    assert "drift.base" not in Theta.of(drifting(), ["drift.base"]).names
    assert "drift.slope" in Theta.of(drifting(), ["drift.base"]).names


def test_a_model_without_drift_is_itself_and_one_with_occasions_besides_is_refused() -> None:
    assert walking(straight()) is straight()
    once = walking(drifting())
    assert walking(once) is once
    text = drifting().text.replace("iiv = 4\n", "iiv = 4\niov = 0.1\n")
    text += (
        f'[occasions]\ncovariate = "OCC"\n{toys.SOURCE}\n[covariates.OCC]\nunit = "1"\nreference = 0\n{toys.SOURCE}\n'
    )
    with pytest.raises(FitError, match=r"has occasions and a drift, and a fit takes one of them; leave \[occasions\]"):
        Theta.of(parse_model(text, "both.toml"))


def test_a_grid_that_makes_too_many_effects_is_refused() -> None:
    lines = ["ID,TIME,EVID,AMT,DV", "1,0,0,.,9", "1,250,0,.,9"]
    with pytest.raises(FitError, match=r"drift: its grid of 2 makes 250 effects .* a fit takes 200; write a coarser"):
        cohort_of(drifting(), lines, "line")


def test_a_drift_may_be_known_before() -> None:
    known = {"source": "a paper", "numbers": {"drift.base": {"value": 0.4, "se": 0.1}}}
    theta = Theta.of(drifting()).with_prior(Prior.read(known))
    penalty = theta.penalty(theta.pack(theta.start))
    assert penalty is not None
    assert np.flatnonzero(penalty.gradient).tolist() == [theta.names.index("drift.base")]


@pytest.mark.parametrize("own", ["", ", lag = late"])
def test_steps_move_what_is_given_also_where_doses_are_late(own: str) -> None:
    """One compartment whose k drifts at each second hour: by its closed form, piece by piece."""
    made = toys.made(
        {"k": "0.3 1/h 0.09", "late": "0.000001 h"},
        {"A": f"mg: input(toxin{own}) - k*A"},
        {"level": "mg: A"},
    )
    text = made.text.replace("iiv = 0.09\n", "iiv = 0.09\ndrift = 0.02\n")
    text += f"\n[drift]\ngrid = {GRID}\nlag = 20\n{toys.SOURCE}\n"
    lines = ["ID,TIME,EVID,AMT,DV", "1,0,1,100,.", "1,1,0,.,70", "1,5,0,.,20"]
    of = cohort_of(parse_model(text, "made.toml"), lines)
    z = np.zeros((1, 1, of.size))
    z[0, 0, :3] = (0.1, 0.4, -0.3)  # eta, and two steps at 2 and 4 h
    found = of.predictions(np.array([0]), z, of.theta.start.place)[:, 0]
    rates = 0.3 * np.exp(0.1 + np.sqrt(GRID) * np.cumsum([0.0, 0.4, -0.3]))
    assert found == pytest.approx(100 * np.exp([-rates[0], -rates @ [2.0, 2.0, 1.0]]), rel=1e-5)
