"""The end is where the likelihood is highest, from poor starts too, and the same draws end in the same numbers."""

from __future__ import annotations

import functools
import math
import re

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.population.importance.test_density import LIMITS, cohort_of
from tests.twin.population.test_objective import LINES, oral, timelines
from tests.twin.population.test_prior import PRIOR
from twin.arrays import Floats
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.importance.climbing import climb
from twin.population.importance.density import Density
from twin.population.objective import Objective
from twin.population.sampling import saem
from twin.population.sampling.saem import Settled, cooled, has_trend, settle, widened
from twin.population.search import State, search
from twin.population.theta import FitError, Theta
from twin.solver.step_control import step_sizes_for


@functools.cache
def resting() -> Model:
    """A marker with a base that patients and occasions differ in, and that falls with AGE: a linear normal model."""
    made = toys.made(
        {"Base": "5 10*9/L 0.09", "k": "1 1/h", "by_age": "0.1 1", "gain": "1.2 1"},
        {"A": "mg: -k*A"},
        {"marker": "10*9/L: Base*1"},
    )
    text = made.text.replace("iiv = 0.09", 'iiv = 0.09\nexpression = "Base*exp(by_age*AGE)"')
    text = text.replace("proportional = 0.2", "log_additive = 0.2").replace("Base*1", "Base*gain**AGE2")
    for name in ("AGE", "AGE2"):
        text += f'[covariates.{name}]\nunit = "1"\nreference = 0\n{toys.SOURCE}\n'
    return parse_model(text, "made.toml")


def normal_lines(patients: int = 20) -> tuple[str, ...]:
    """Values log y = 1.4 - 0.2 AGE + 0.3 AGE2 + eta + 0.15 e, eta of variance 0.06."""
    rng, lines = np.random.default_rng(3), ["ID,TIME,EVID,DV,AGE,AGE2"]
    for patient in range(1, patients + 1):
        age, later, eta = rng.uniform(0, 3), rng.uniform(0, 3), math.sqrt(0.06) * rng.normal()
        for hour in range(3):
            value = math.exp(1.4 - 0.2 * age + 0.3 * later + eta + 0.15 * rng.normal())
            lines.append(f"{patient},{hour},0,{value:.4f},{age:.3f},{later:.3f}")
    return tuple(lines)


@functools.cache
def settled(seed: int = 1) -> tuple[Cohort, Settled]:
    cohort = cohort_of_normal()
    return cohort, settle(Density(cohort), cohort.theta.pack(cohort.theta.start), seed)


def cohort_of_normal() -> Cohort:
    model = resting()
    kernel = compile_model(model)
    return Cohort(kernel, step_sizes_for(kernel), timelines(model, normal_lines()), Theta.of(model, fixed=("k",)))


def errors_of(found: Settled) -> Floats:
    score = found.sample.likelihood(found.vector).score
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(score.T @ score))))


def test_of_a_linear_normal_model_the_end_is_the_exact_maximum() -> None:
    # There conditional estimation is the likelihood itself.
    cohort, found = settled()
    assert found.why == "converged"
    state, here = search(Objective(cohort), State(cohort.theta.pack(cohort.theta.start)), lambda *_: None)
    assert state.why == "converged"
    assert (np.abs(found.vector - here.vector) / errors_of(found)).max() < 0.15


def test_what_is_known_before_counts_as_it_does_by_importance_sampling(monkeypatch: pytest.MonkeyPatch) -> None:
    for steps, fewer in (("COOLED", 40), ("WINDOW", 60), ("SMOOTHED", 120)):
        monkeypatch.setattr(saem, steps, fewer)
    cohort = cohort_of(oral(), LINES)  # three patients
    theta = cohort.theta = cohort.theta.with_prior(PRIOR)
    density = Density(cohort)
    found = settle(density, theta.pack(theta.start))
    assert found.why == "converged"
    expected = climb(density, theta.pack(theta.start)).vector
    np.testing.assert_allclose(theta.natural(found.vector), theta.natural(expected), rtol=0.03)


def test_the_same_seed_ends_in_the_same_numbers_and_another_near_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saem, "COOLED", 10)
    monkeypatch.setattr(saem, "MOST", 20)
    monkeypatch.setattr(saem, "SMOOTHED", 20)
    monkeypatch.setattr(saem, "AGAIN", 1)
    cohort = cohort_of_normal().drawn(np.arange(6))
    start = cohort.theta.pack(cohort.theta.start)
    one, again, other = (settle(Density(cohort), start, seed).vector for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_what_does_not_arrive_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COOLED", 1), ("MOST", 2), ("WINDOW", 2), ("SMOOTHED", 4), ("AGAIN", 1), ("LEFT", 0)):
        monkeypatch.setattr(saem, name, value)
    monkeypatch.setattr(saem, "has_trend", lambda _: True)
    monkeypatch.setattr(saem, "STEEP", 1e-6)
    cohort = cohort_of_normal()
    found = settle(Density(cohort), cohort.theta.pack(cohort.theta.start) + 0.5)
    assert re.fullmatch(r"not converged: the score still promises \S+ a move of \S+ standard errors", found.why)


def test_values_that_are_impossible_are_of_a_named_patient() -> None:
    cohort = cohort_of(oral(), LIMITS)
    start = cohort.theta.pack(cohort.theta.start)
    start[cohort.theta.names.index("V")] = -800.0
    with pytest.raises(FitError, match="patient 1: its values are impossible"):
        settle(Density(cohort), start)


def test_a_trend_is_one_and_wandering_is_none() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(100, 4))
    assert not has_trend(noise)
    assert has_trend(noise + np.linspace(0, 3, 100)[:, None] * np.array([0, 0, 1, 0]))
    assert not has_trend(np.ones((100, 3)))


def test_variances_begin_wide_and_shrink_no_faster_than_they_cool() -> None:
    theta = cohort_of(oral(), LIMITS).theta
    start = theta.pack(theta.start)
    wide = theta.unpack(widened(theta, start))
    np.testing.assert_allclose(wide.omega, saem.WIDE * theta.start.omega)
    held = theta.unpack(cooled(theta, widened(theta, start), start))
    np.testing.assert_allclose(np.diag(held.omega), saem.COOLING * np.diag(wide.omega))
    correlation = held.omega[0, 1] / math.sqrt(held.omega[0, 0] * held.omega[1, 1])
    first = theta.start.omega
    assert correlation == pytest.approx(first[0, 1] / math.sqrt(first[0, 0] * first[1, 1]))
