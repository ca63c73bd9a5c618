"""Effects with next to nothing of their own go along with the others: draws keep their weight, and fits end."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.importance.test_sampled import names_of
from tests.twin.population.test_objective import oral
from twin.arrays import Floats
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.importance import sampled
from twin.population.importance.climbing import climb
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.sampled import Sample
from twin.population.importance.thin import OWN, Plane, thin_of


def together(share: float) -> Model:
    """Elimination and volume whose effects are all but one: of its variance V has a share of its own."""
    covariance = np.sqrt(0.1 * 0.08 * (1.0 - share))
    text = oral().text.replace("covariance = 0.02", f"covariance = {covariance:.12f}")
    return parse_model(text, "made.toml")


def alike(patients: int = 30) -> tuple[str, ...]:
    """Levels of patients whose volume is what their elimination says, V = 11 exp(eta), k = 0.2 exp(eta)."""
    rng, lines = np.random.default_rng(5), ["ID,TIME,EVID,AMT,DV"]
    for patient in range(1, patients + 1):
        eta = 0.3 * rng.standard_normal()
        k, v, ka = 0.2 * np.exp(eta), 11.0 * np.exp(eta), 0.9
        lines.append(f"{patient},0,1,100,.")
        for hour in (0.5, 2.0, 6.0, 12.0):
            level = 100.0 / v * ka / (ka - k) * (np.exp(-k * hour) - np.exp(-ka * hour))
            lines.append(f"{patient},{hour},0,.,{level * np.exp(0.2 * rng.standard_normal()):.4f}")
    return tuple(lines)


def drawn(cohort: Cohort, count: int = 300) -> tuple[Sample, Floats]:
    density, vector = Density(cohort), cohort.theta.pack(cohort.theta.start)
    draws = even_draws(names_of(cohort), 1, count, cohort.effects)
    return Sample(density, vector, first_proposals(density, vector), draws), vector


def test_effects_are_thin_one_after_another_given_those_that_are_left() -> None:
    one = np.array([[1.0, 0.999, 0.3], [0.999, 1.0, 0.3], [0.3, 0.3, 1.0]])
    known = np.stack([0.1 * np.eye(3)] * 2)
    assert len(thin_of(one, known)) == 1
    # A tenth of its own is enough for draws to be held: two effects that correlate at 0.95.
    assert thin_of(one * np.where(np.eye(3) > 0.0, 1.0, 0.95), known) == ()
    assert thin_of(np.diag([1.0, 1e-8, 1.0]), known * [1.0, 1e-8, 1.0]) == ()
    assert len(thin_of(np.eye(3) + 100.0, 100.0 * known)) == 2
    # Of whom values tell nothing all is prior.
    assert thin_of(np.eye(3), np.stack([np.diag([0.95, 0.1, 1.2]), np.diag([0.95, 0.1, 0.9])])) == (0, 2)
    assert thin_of(np.empty((0, 0)), np.empty((1, 0, 0))) == ()


def test_a_plane_says_what_omega_does_and_moves_with_it() -> None:
    root = np.tril(np.random.default_rng(1).normal(size=(4, 4)))
    omega, change = root @ root.T, np.diag([0.1, 0.2, 0.0, 0.1]) + 0.05
    plane = Plane.of(omega, (1, 3))
    eta = np.random.default_rng(2).normal(size=(3, 5, 4))
    u = plane.standard(eta)
    np.testing.assert_allclose(plane.placed(eta, u), eta, atol=1e-12)
    square = np.einsum("nsi,ij,nsj->ns", eta, np.linalg.inv(omega), eta)
    whole = -0.5 * (square + np.linalg.slogdet(2.0 * np.pi * omega)[1])
    own = float(np.log(np.diag(plane.own)).sum())
    np.testing.assert_allclose(plane.log_prior(eta, u) - own, whole, atol=1e-10)
    up, down = (Plane.of(omega + side * 1e-6 * change, (1, 3)) for side in (1.0, -1.0))
    for found, high, low in zip(plane.moved(change), (up.slope, up.own), (down.slope, down.own), strict=True):
        np.testing.assert_allclose(found, (high - low) / 2e-6, atol=1e-7)


def test_where_draws_were_made_it_is_the_same_as_if_all_were_held(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = cohort_of(together(0.5 * OWN), alike(4))
    sample, vector = drawn(cohort)
    found = sample.likelihood(vector)
    monkeypatch.setattr(sampled, "thin_of", lambda *_: ())
    held = drawn(cohort)[0].likelihood(vector)
    np.testing.assert_allclose(found.log, held.log, rtol=1e-9)
    np.testing.assert_allclose(found.square, held.square, rtol=1e-6, atol=1e-9)


def test_the_score_is_what_differences_say() -> None:
    cohort = cohort_of(together(0.01), alike(4))
    sample, vector = drawn(cohort)
    moved = vector + 0.02
    score = sample.likelihood(moved).score
    for at in range(len(vector)):
        step = 1e-5 * np.eye(len(vector))[at]
        up, down = (sample.likelihood(moved + side * step, score=False).log for side in (1, -1))
        np.testing.assert_allclose(score[:, at], (up - down) / 2e-5, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("least", [0, 1, 2])
def test_of_effects_that_make_one_another_the_one_that_values_pull_at_least_is_thin(least: int) -> None:
    direction = np.array([1.0, -1.0, 1.0]) / np.sqrt(3.0)
    omega = 0.1 * (np.eye(3) - (1.0 - 1e-4) * np.outer(direction, direction))
    pulled = np.diag(np.where(np.arange(3) == least, 30.0, 3000.0))
    believed = np.linalg.inv(np.linalg.inv(omega) + pulled)
    assert thin_of(omega, np.stack([believed] * 2)) == (least,)
    # Of draws' covariances what lies across the plane is known badly.
    noisy = believed + 2e-7 * np.outer(direction, direction)
    assert thin_of(omega, np.stack([noisy] * 2)) == (least,)


def test_draws_keep_their_weight_where_the_plane_turns() -> None:
    cohort = cohort_of(together(1e-6), alike(4))
    sample, vector = drawn(cohort)
    turned = vector.copy()
    turned[cohort.theta.names.index("omega.k.V")] *= 1.2
    there = sample.likelihood(turned, score=False)
    assert there.size.min() > 0.3
    density = Density(cohort)
    anew = Sample(
        density, turned, first_proposals(density, turned), even_draws(names_of(cohort), 1, 4000, cohort.effects)
    ).likelihood(turned, score=False)
    np.testing.assert_allclose(there.log, anew.log, atol=0.05)


def test_the_climb_ends_where_omega_is_singular() -> None:
    cohort = cohort_of(together(0.5), alike())
    found = climb(Density(cohort), cohort.theta.pack(cohort.theta.start))
    omega = cohort.theta.unpack(found.vector).omega
    assert found.why == "converged"
    assert thin_of(omega, found.proposals.covariance)
    assert omega[0, 1] ** 2 > 0.99 * omega[0, 0] * omega[1, 1]
    assert found.sample.likelihood(found.vector).size.min() > 0.3


def test_of_effects_that_values_tell_nothing_of_there_is_no_score() -> None:
    # Values at once after a dose by vein tell of the volume, and nothing of an elimination that is next to none.
    made = toys.made(
        {"k": "0.000001 1/h 0.1", "V": "11 L 0.08"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg/L: A/V"}
    )
    lines = ["ID,TIME,EVID,AMT,DV"]
    for patient, level in enumerate((8.0, 10.0, 11.0, 7.5), start=1):
        lines += [f"{patient},0,1,100,.", f"{patient},1,0,.,{level}", f"{patient},2,0,.,{level + 0.3}"]
    cohort = cohort_of(made, tuple(lines))
    sample, vector = drawn(cohort)
    names, score = cohort.theta.names, sample.likelihood(vector).score
    assert np.abs(score[:, [names.index("k"), names.index("omega.k")]]).max() < 1e-4
    assert np.abs(score[:, names.index("V")]).min() > 0.1
