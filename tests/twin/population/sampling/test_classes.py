"""Classes are drawn with their exact probabilities, together with effects, and keep their names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.laplace.test_laplace import GRADED, graded
from tests.twin.population.mixture.mixtures import CLASSES, drawn_levels, eliminated, levels, measured, own_levels
from tests.twin.population.mixture.test_mixing import exactly
from tests.twin.population.test_objective import LINES, oral
from twin.arrays import Floats
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.sampled import Sample
from twin.population.laplace.methods import usual_objective
from twin.population.means.means import Means
from twin.population.sampling import saem
from twin.population.sampling.chains import Chains, believed
from twin.population.sampling.classes import Classes, begun
from twin.population.sampling.saem import settle
from twin.population.sampling.target import Target
from twin.population.search import State, search


def swept(cohort: Cohort, sweeps: int, tries: int = 2) -> tuple[Floats, Floats, Floats]:
    """Of each sweep: classes (sweeps, N, C) of patients, their shares of visits by class (sweeps, N, K), and the mean
    (sweeps, M) of the first effect of members over their visits."""
    vector, means, objective = cohort.theta.pack(cohort.theta.start), Means(cohort), usual_objective(cohort)
    known, target = believed(objective, means, vector), Target(Density(cohort), vector)
    classes = begun(objective, vector, 4)
    assert classes is not None
    chains = Chains(cohort, means, np.repeat(known.eta[:, None], 4, axis=1), tries, 3, classes)
    of, shares, first = [], [], []
    for _ in range(sweeps):
        sweep = chains.sweep(target, known)
        of.append(classes.of.copy())
        shares.append(sweep.share.sum(axis=1).reshape(-1, cohort.classes))
        first.append((sweep.share * sweep.eta[:, :, 0]).sum(axis=1))
    return np.array(of), np.array(shares), np.array(first)


@pytest.mark.parametrize("tries", [1, 4])
def test_where_all_is_normal_classes_and_effects_have_their_exact_law(tries: int) -> None:
    cohort = measured(levels())
    of, shares, first = swept(cohort, 600, tries)
    slow = exactly()[1]
    error = np.sqrt(slow * (1.0 - slow) / 600)
    assert (np.abs((of == 0).mean(axis=(0, 2)) - slow) < 4 * error + 1e-3).all()
    assert (np.abs(shares[:, :, 0].mean(axis=0) - slow) < 4 * error + 1e-3).all()
    np.testing.assert_allclose(shares.sum(axis=2), 1.0)
    # Of each class the mean of the effect, as often as the patient is of it.
    here = usual_objective(cohort)(cohort.theta.pack(cohort.theta.start))
    expected = here.eta[:, 0] * np.stack([slow, 1.0 - slow], axis=1).reshape(-1)
    np.testing.assert_allclose(first.mean(axis=0), expected, atol=0.08)


def with_grades() -> Cohort:
    """Levels and a yes or no, of patients whose odds are higher in one class."""
    text = graded().text.replace("exp(slope*A/V - 1)", "exp(slope*A/V - where(SORT == 1, 2, 0))")
    return cohort_of(parse_model(text + CLASSES, "made.toml"), GRADED)


def with_occasions() -> Cohort:
    """Levels after two doses, between which clearance changes."""
    text = eliminated().text.replace("[parameters.CL]\nvalue = 2\n", "[parameters.CL]\nvalue = 1\niov = 0.05\n")
    text += f'[occasions]\ndrug = "toxin"\ngap = 12\n{toys.SOURCE}\n'
    return cohort_of(parse_model(text, "made.toml"), (*LINES, "1,24,1,100,.", "1,26,0,.,4.1", "1,30,0,.,1.8"))


@pytest.mark.parametrize("cohort", [with_grades, with_occasions])
def test_of_other_values_and_occasions_classes_are_as_probable_as_by_importance_sampling(
    cohort: Callable[[], Cohort],
) -> None:
    of, shares, _ = swept(made := cohort(), 400)
    density, vector = Density(made), made.theta.pack(made.theta.start)
    draws = even_draws([subject.key for subject in made.subjects], 1, 2000, made.effects)
    exact = Sample(density, vector, first_proposals(density, vector), draws).likelihood(vector).posterior
    assert exact is not None
    assert exact[:, 0].min() < 0.9
    np.testing.assert_allclose(shares.mean(axis=0), exact, atol=0.025)
    np.testing.assert_allclose((of == 0).mean(axis=(0, 2)), exact[:, 0], atol=0.04)


def test_of_three_classes_each_has_its_exact_probability() -> None:
    text = levels().text.replace("slow = 1, fast = 2", "slow = 1, fast = 2, none = 3")
    text = text.replace("slow = 0.4, fast = 0.6", "slow = 0.3, fast = 0.5, none = 0.2")
    cohort = measured(parse_model(text.replace("low, high)", "low, where(SORT == 2, high, 3))"), "made.toml"))
    exact = usual_objective(cohort)(cohort.theta.pack(cohort.theta.start)).posterior
    of, shares, _ = swept(cohort, 400)
    assert exact is not None
    np.testing.assert_allclose(shares.mean(axis=0), exact, atol=0.02)
    drawn = np.stack([(of == k).mean(axis=(0, 2)) for k in range(3)], axis=1)
    np.testing.assert_allclose(drawn, exact, atol=0.04)


def test_a_patient_is_drawn_the_same_in_any_company() -> None:
    cohort = measured(levels())
    together, apart = swept(cohort, 5), swept(cohort.drawn(np.array([1, 2])), 5)
    np.testing.assert_array_equal(together[0][:, 1:3], apart[0])
    np.testing.assert_array_equal(together[1][:, 1:3], apart[1])


POINTS = st.lists(st.floats(-30.0, 5.0) | st.just(-np.inf) | st.just(np.nan), min_size=12, max_size=12)


@given(POINTS, st.floats(0.0, 0.999), st.floats(-50.0, 50.0))
def test_what_is_drawn_is_possible_and_shares_are_one_whatever_the_scale(
    weights: list[float], chance: float, by: float
) -> None:
    # One patient of two classes with two chains of three points.
    log = np.array(weights).reshape(2, 2, 3)
    known = np.isfinite(log).any(axis=(0, 2))
    drawn = []
    for moved in (0.0, by):
        classes = Classes(2, 2, np.array([0]))
        found = classes.drawn(log + moved, np.full((1, 2), chance))
        np.testing.assert_allclose(found.share.sum(axis=(0, 2)), 0.5)
        assert (found.share[~np.isfinite(log) & known[None, :, None]] == 0.0).all()
        for chain in np.flatnonzero(known):
            of = classes.of[0, chain]
            assert found.share[of, chain, found.last[of, chain]] > 0.0
        drawn.append(found.share)
    np.testing.assert_allclose(*drawn, atol=1e-9)


def test_classes_keep_the_names_of_the_reference_and_none_is_empty() -> None:
    rng, reference = np.random.default_rng(1), np.repeat([[0.9, 0.1], [0.2, 0.8]], 3, axis=0)
    classes = Classes(2, 2, reference.argmax(axis=1), reference)
    for _ in range(200):
        # Nothing tells classes apart, so that half of what is drawn would be by other names.
        found = classes.drawn(np.zeros((12, 2, 2)), rng.random((6, 2)))
        assert found.last.max() <= 1
        for of in classes.of.T:
            each = np.eye(2)[of]
            assert each.any(axis=0).all()
            assert (reference * each).sum() >= (reference * each[:, ::-1]).sum()
    assert 0.3 < classes.stayed / 400 < 0.7
    free = Classes(2, 2, reference.argmax(axis=1))
    free.drawn(np.log(np.tile([[[1e-9]], [[1.0]]], (6, 2, 2))), rng.random((6, 2)))
    assert (free.of == 1).all()
    assert free.stayed == 0


def test_nobody_begins_with_a_class_that_is_empty() -> None:
    cohort = measured(levels(), {"1": (5.0, 5.2), "2": (4.9,), "3": (4.1,)})
    objective, vector = usual_objective(cohort), cohort.theta.pack(cohort.theta.start)
    free, named = begun(objective, vector, 1), begun(objective, vector, 1, named=True)
    assert free is not None
    assert named is not None
    assert free.of[:, 0].tolist() == [1, 1, 1]
    assert named.of[:, 0].tolist() == [1, 1, 0]


def test_a_cohort_without_classes_draws_none() -> None:
    cohort = cohort_of(oral(), LINES)
    assert begun(usual_objective(cohort), cohort.theta.pack(cohort.theta.start), 2) is None


@pytest.mark.parametrize("shared", [True, False])
def test_the_end_of_saem_is_where_the_likelihood_is_highest(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of normal levels conditional estimation is the likelihood itself; effects of classes are common, or their own.
    for steps, fewer in (("COOLED", 50), ("WINDOW", 50), ("SMOOTHED", 100)):
        monkeypatch.setattr(saem, steps, fewer)
    cohort = measured(levels() if shared else own_levels(), drawn_levels(40), ("k", "shift") if shared else ("k",))
    theta = cohort.theta
    found = settle(Density(cohort), theta.pack(theta.start))
    assert found.why == "converged"
    state, here = search(usual_objective(cohort), State(theta.pack(theta.start)), lambda *_: None)
    assert state.why == "converged"
    score = found.sample.likelihood(found.vector).score
    errors = np.sqrt(np.diag(np.linalg.inv(score.T @ score)))
    assert (np.abs(found.vector - here.vector) / errors).max() < 0.15
    assert found.sample.likelihood(found.vector).posterior is not None


def test_variances_of_a_mixture_begin_as_the_file_says() -> None:
    cohort = measured(own_levels(), drawn_levels(6))
    start = cohort.theta.pack(cohort.theta.start)
    np.testing.assert_array_equal(saem._Run(Density(cohort), start, 1, warm=False).vector, start)
