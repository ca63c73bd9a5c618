"""Effects of sites are drawn from what their patients say of them, and estimated by either way of walking."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.mixture import clinics as unseen
from tests.twin.population.sites import clinics
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance import covering
from twin.population.importance.climbing import climb
from twin.population.importance.density import Density
from twin.population.laplace.site_objective import SiteObjective
from twin.population.means.means import Means
from twin.population.sampling import saem
from twin.population.sampling.gibbs import sampled
from twin.population.sampling.saem import settle
from twin.population.sampling.site_effects import SiteEffects
from twin.population.search import State, scores_curvature, search
from twin.population.theta import Theta
from twin.population.values import Population

MANY = tuple(1 + i // 3 for i in range(24))


def test_given_their_patients_they_are_normal_as_the_joint_law_says() -> None:
    cohort = clinics.of_bolus(clinics.bolus_values())
    assert cohort.site is not None
    population = Population.of(clinics.bolus())
    psi = np.random.default_rng(1).normal(0.0, 0.5, (len(cohort), 2))
    chains = np.repeat(psi[:, None], 20_000, axis=1)
    everybody = np.ones(chains.shape[:2], dtype=np.bool_)
    drawn = SiteEffects(cohort, cohort.site, Means(cohort).active, 1).drawn(chains, population, everybody)
    squares = []
    for who in clinics.grouped():
        shared = np.kron(np.ones((len(who), len(who))), population.omega_isv)
        among = shared + np.kron(np.eye(len(who)), population.omega)
        gain = np.tile(population.omega_isv, len(who)) @ np.linalg.inv(among)
        mean = gain @ psi[who].ravel()
        covariance = population.omega_isv - gain @ np.tile(population.omega_isv, len(who)).T
        found = drawn.b[cohort.site[who[0]]]
        np.testing.assert_allclose(found.mean(axis=0), mean, atol=0.01)
        np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.003)
        np.testing.assert_array_equal(drawn.centres[who[-1]], found)
        squares.append(covariance + np.outer(mean, mean))
    np.testing.assert_allclose(drawn.square, np.mean(squares, axis=0), rtol=1e-9)


def test_by_stochastic_approximation_the_end_is_the_exact_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covering, "EXACT", 300)
    for name, value in (("COOLED", 40), ("WINDOW", 60), ("SMOOTHED", 120)):
        monkeypatch.setattr(saem, name, value)
    cohort = clinics.of_line(clinics.line_values(MANY), MANY)
    start = cohort.theta.pack(cohort.theta.start)
    found = settle(Density(cohort), start)
    _, here = search(SiteObjective(cohort, "focei"), State(start), lambda *_: None)
    errors = np.sqrt(2.0 * np.diag(np.linalg.inv(scores_curvature(here))))
    assert (np.abs(found.vector - here.vector) / errors).max() < 0.2


def test_their_posterior_lies_around_it() -> None:
    cohort = clinics.of_line(clinics.line_values(MANY), MANY)
    found = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), warm=60, kept=60, most=60)
    low, _, high = found.quantiles
    truth = {"base": 10.0, "slope": 1.5, "omega.base": 4.0, "omega.slope": 0.25, "isv.slope": clinics.ABOVE}
    for name, value in truth.items():
        at = found.names.index(name)
        assert low[at] < 1.3 * value, name
        assert high[at] > 0.7 * value, name


def test_given_members_that_patients_are_others_say_nothing() -> None:
    cohort = unseen.of_levels(unseen.level_values())
    assert cohort.site is not None
    population, rng = cohort.theta.start, np.random.default_rng(1)
    psi = rng.normal(0.0, 0.5, (len(cohort), 20_000, 1))
    here = np.zeros(psi.shape[:2], dtype=np.bool_)
    here[0::2] = True
    psi[0::2] = psi[0::2, :1]
    drawn = SiteEffects(cohort, cohort.site, Means(cohort).active, 1).drawn(psi, population, here)
    for who in clinics.grouped(unseen.CLINICS):
        precision = 1.0 / unseen.LAW.isv + len(who) / unseen.LAW.iiv
        found = drawn.b[cohort.site[who[0]], :, 0]
        assert found.mean() == pytest.approx(psi[2 * who, 0, 0].sum() / unseen.LAW.iiv / precision, abs=0.02)
        assert found.var() == pytest.approx(1.0 / precision, rel=0.05)
        for member in (2 * who[0], 2 * who[0] + 1):
            np.testing.assert_array_equal(drawn.centres[member, :, 0], found)


def left_to_go(cohort: Cohort, values: list[list[float]], vector: Floats) -> Floats:
    """Newton's step (K,) to the exact maximum, by quadrature over the effects of sites, in standard errors."""
    theta, groups = cohort.theta, clinics.grouped(MANY)

    def down(at: Floats) -> float:
        found = theta.unpack(at)
        place = found.place[[0, 1]].tolist()
        law = unseen.Law(
            float(found.omega_isv[0, 0]),
            float(found.omega[0, 0]),
            found.errors[0].additive,
            (place[0], place[1]),
            tuple(found.shares.tolist()),
        )
        return sum(unseen.by_quadrature([values[i] for i in who], law, 301)[0] for who in groups)

    size, h = len(vector), 0.03 * np.eye(len(vector))
    sides = np.array([[[[down(vector + a * h[i] + c * h[j]) for c in (1, -1)] for a in (1, -1)] for j in range(size)]
                      for i in range(size)])  # fmt: skip
    bend = (sides[..., 0, 0] - sides[..., 0, 1] - sides[..., 1, 0] + sides[..., 1, 1]) / (4.0 * 0.03**2)
    slope = np.array([(down(vector + one) - down(vector - one)) / 0.06 for one in h])
    inverse = np.linalg.inv(bend)
    return np.asarray(np.abs(inverse @ slope) / np.sqrt(2.0 * np.diag(inverse)))


def fitted_levels() -> tuple[Cohort, list[list[float]]]:
    """Patients of two classes in eight sites, whose `shift` and k are known."""
    values = unseen.level_values(MANY, 2)
    found = unseen.of_levels(values, MANY)
    theta = Theta.of(unseen.levels_in_clinics(), ["shift", "k"])
    return Cohort(found.kernel, found.step_sizes, {s.id: s.timeline for s in found.patients}, theta), values


def test_with_classes_the_end_is_the_exact_maximum_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covering, "EXACT", 300)
    for name, value in (("COOLED", 40), ("WINDOW", 60), ("SMOOTHED", 120)):
        monkeypatch.setattr(saem, name, value)
    cohort, values = fitted_levels()
    found = settle(Density(cohort), cohort.theta.pack(cohort.theta.start))
    assert left_to_go(cohort, values, found.vector).max() < 0.3


def test_the_climb_by_draws_ends_there() -> None:
    cohort, values = fitted_levels()
    found = climb(Density(cohort), cohort.theta.pack(cohort.theta.start))
    assert found.why == "converged"
    assert left_to_go(cohort, values, found.vector).max() < 0.1


def test_the_posterior_with_classes_holds_what_they_were_made_of() -> None:
    cohort, _ = fitted_levels()
    found = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), warm=60, kept=60, most=60)
    low, _, high = found.quantiles
    truth = {"low": 1.0, "high": 4.0, "omega.shift": 0.8, "isv.shift": 0.5, "share.slow": 0.4}
    for name, value in truth.items():
        at = found.names.index(name)
        assert low[at] < 1.3 * value, name
        assert high[at] > 0.7 * value, name
