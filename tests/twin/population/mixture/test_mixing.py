"""The likelihood of a mixture is the sum over its classes, by every method, with the slope that differences say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin import toys
from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.mixture.mixtures import MEASURED, concentrations, eliminated, levels, measured, with_shares
from tests.twin.population.published.sets import DATA, SETS
from tests.twin.population.test_objective import LINES, timelines
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.importance.climbing import exact_likelihood
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.sampled import Sample
from twin.population.laplace.methods import objective_of
from twin.population.mixture.mixing import mixed, share_slopes, shares_of, together
from twin.population.objective import Method, Objective
from twin.population.residuals import LOG_2PI
from twin.population.results.profile import Held
from twin.population.results.uncertainty import uncertainty
from twin.population.search import State, bounds, search
from twin.population.theta import FitError, Theta
from twin.solver.step_control import step_sizes_for

METHODS: tuple[Method, ...] = ("focei", "foce", "fo", "laplace")


def exactly(slow: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """-2 log likelihood of everybody in `MEASURED` without n log(2 pi), and the probability of ``slow``: what is linear
    and normal has a normal density in every class."""
    ofv, probability = [], []
    for values in MEASURED.values():
        y = np.array(values)
        covariance = 0.8 + 0.25 * np.eye(len(y))
        each = [stats.multivariate_normal(np.full(len(y), mean), covariance).pdf(y) for mean in (2.0, 5.0)]
        joint = np.array([slow, 1.0 - slow]) * each
        ofv.append(-2.0 * np.log(joint.sum()) - len(y) * LOG_2PI)
        probability.append(joint[0] / joint.sum())
    return np.array(ofv), np.array(probability)


@pytest.mark.parametrize("method", METHODS)
def test_where_all_is_normal_the_objective_is_the_likelihood_itself(method: Method) -> None:
    cohort = measured(levels())
    found = objective_of(cohort, method)(cohort.theta.pack(cohort.theta.start))
    ofv, slow = exactly()
    np.testing.assert_allclose(found.ofv, ofv, rtol=1e-7)
    assert found.posterior is not None
    np.testing.assert_allclose(found.posterior[:, 0], slow, rtol=1e-6)
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1.0)


def test_draws_give_that_likelihood_within_the_error_they_tell() -> None:
    cohort = measured(levels())
    density, vector = Density(cohort), cohort.theta.pack(cohort.theta.start)
    found = exact_likelihood(density, vector, first_proposals(density, vector))
    assert found.ofv == pytest.approx(exactly()[0].sum(), abs=4 * found.error)
    assert 0.0 < found.error < 0.05
    values = sum(len(one) for one in MEASURED.values())
    assert density.normal == values
    assert found.minus_2_log == pytest.approx(found.ofv + values * LOG_2PI)


@pytest.mark.parametrize("method", METHODS)
def test_where_one_class_is_everybody_it_is_the_model_without_classes(method: Method) -> None:
    alone = parse_model(
        eliminated().text.split("[mixture]")[0] + "[cadence]" + eliminated().text.split("[cadence]")[1], "a"
    )
    plain, lines = cohort_of(alone, LINES), timelines(alone, LINES)
    expected = objective_of(plain, method)(plain.theta.pack(plain.theta.start))
    almost = with_shares(eliminated(), 1.0 - 1e-15)
    kernel = compile_model(almost)
    cohort = Cohort(kernel, step_sizes_for(kernel), lines, Theta.of(almost))
    found = objective_of(cohort, method)(cohort.theta.pack(cohort.theta.start))
    assert found.total == pytest.approx(expected.total, abs=1e-9)
    np.testing.assert_allclose(found.score[:, :-1], expected.score, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_is_what_differences_say(method: Method) -> None:
    cohort = cohort_of(eliminated(), LINES)
    of, vector = objective_of(cohort, method), cohort.theta.pack(cohort.theta.start)
    first = of(vector, thorough=True)
    for at, score in enumerate(first.score.T):
        step = 1e-4 * np.eye(len(vector))[at]
        up, down = (of(vector + side * step, first) for side in (1, -1))
        np.testing.assert_allclose(score, (up.ofv - down.ofv) / 2e-4, rtol=1e-3, atol=1e-3)


def test_the_score_by_draws_is_what_differences_say() -> None:
    cohort = cohort_of(eliminated(), LINES)
    density, vector = Density(cohort), cohort.theta.pack(cohort.theta.start)
    names = [subject.key for subject in cohort.subjects]
    assert len(set(names)) == 6
    draws = even_draws(names, 1, 256, cohort.effects)
    sample = Sample(density, vector, first_proposals(density, vector), draws)
    found = sample.likelihood(vector)
    for at, score in enumerate(found.score.T):
        step = 1e-4 * np.eye(len(vector))[at]
        up, down = (sample.likelihood(vector + side * step, score=False) for side in (1, -1))
        np.testing.assert_allclose(score, (up.log - down.log) / 2e-4, rtol=2e-3, atol=2e-3)


def test_classes_that_change_names_are_the_same_mixture() -> None:
    other = parse_model(
        eliminated().text.replace("slow = 1, fast = 2", "fast = 1, slow = 2"), "made.toml"
    )  # fmt: skip
    assert other.mixture is not None
    assert other.mixture.classes == ("fast", "slow")
    swapped = with_shares(eliminated(), 0.6)
    totals = [
        Objective(cohort)(cohort.theta.pack(cohort.theta.start)).total
        for cohort in (cohort_of(other, LINES), cohort_of(swapped, LINES))
    ]
    assert totals[0] == totals[1]


def test_a_fit_finds_the_shares_who_is_who_and_how_certain_that_is() -> None:
    text, truth = concentrations(80, 3)
    kernel, theta = compile_model(eliminated()), Theta.of(eliminated())
    cohort = Cohort(kernel, step_sizes_for(kernel), timelines(eliminated(), tuple(text.splitlines())), theta)
    objective = Objective(cohort)
    state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    assert state.why == "converged"
    errors = uncertainty(objective, theta, here).errors("sandwich")
    assert errors is not None
    real = {"CL": 2.0, "ratio": 3.0, "V": 20.0, "omega.CL": 0.0625, "omega.V": 0.04, "share.slow": 0.4}
    for name, value in real.items():
        at = theta.names.index(name)
        assert abs(theta.natural(here.vector)[at] - value) < 3 * errors[at], name
    assert here.posterior is not None
    said = np.array(["slow", "fast"])[here.posterior.argmax(axis=1)]
    right = np.mean([one == of for one, of in zip(said, truth.values(), strict=True)])
    # As many as the probabilities promise.
    assert right == pytest.approx(here.posterior.max(axis=1).mean(), abs=0.05)
    assert right > 0.9


@pytest.mark.skipif(not SETS["bauer_mixture"].here, reason=f"needs {DATA}")
@pytest.mark.slow
def test_the_published_mixture_has_its_published_objective() -> None:
    one = SETS["bauer_mixture"]
    cohort = one.cohort()
    reference = one.said["references"][0]
    found = Objective(cohort)(cohort.theta.pack(one.population(cohort, reference["estimates"])))
    assert found.total == pytest.approx(reference["ofv"], abs=0.01)


def test_shares_move_as_their_slopes_say() -> None:
    logits = np.array([0.3, -1.2])
    shares = shares_of(logits)
    assert shares.sum() == pytest.approx(1.0)
    for at in range(2):
        step = 1e-6 * np.eye(2)[at]
        slope = (shares_of(logits + step) - shares_of(logits - step))[:2] / 2e-6
        np.testing.assert_allclose(share_slopes(shares)[:, at], slope, atol=1e-9)


def test_a_class_that_cannot_be_adds_nothing_and_spoils_nothing() -> None:
    found = mixed(np.array([-1.0, -np.inf, np.nan, np.nan]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(found.log, [-1.0 + np.log(0.5), -np.inf])
    np.testing.assert_allclose(found.posterior, [[1.0, 0.0], [0.5, 0.5]])
    scores = np.array([[2.0, 3.0], [np.nan, np.inf]])
    np.testing.assert_array_equal(together(scores, found.posterior[:1]), [[2.0, 3.0]])


def test_patients_that_are_drawn_anew_bring_all_their_classes() -> None:
    cohort = cohort_of(eliminated(), LINES)
    vector = cohort.theta.pack(cohort.theta.start)
    ofv = Objective(cohort)(vector).ofv
    drawn = cohort.drawn(np.array([0, 0, 2]))
    np.testing.assert_allclose(Objective(drawn)(vector).ofv, ofv[[0, 0, 2]], rtol=1e-9)
    assert (len(drawn.patients), drawn.values, cohort.values) == (3, 3 + 3 + 2, 9)


def test_a_share_is_held_where_a_profile_wants_it() -> None:
    three = eliminated().text.replace("slow = 1, fast = 2", "slow = 1, fast = 2, none = 3")
    theta = Theta.of(parse_model(three.replace("fast = 0.6", "fast = 0.5, none = 0.1"), "made.toml"))
    vector, objective = theta.pack(theta.start), Objective(cohort_of(eliminated(), LINES))
    for at in theta.shares:
        held = Held(objective, theta, at, 0.37)
        whole = held.whole(held.reduced(vector))
        assert whole is not None
        assert theta.natural(whole)[at] == pytest.approx(0.37)
        assert Held(objective, theta, at, 1.2).whole(held.reduced(vector)) is None


def test_who_reports_the_class_is_named() -> None:
    lines = ("ID,TIME,EVID,AMT,DV,SORT", "1,0,1,100,.,1", "1,1,0,.,5.1,1", "2,0,1,100,.,2", "2,1,0,.,5.1,2")
    with pytest.raises(FitError, match="patient 2: SORT is reported, and it is the class that nobody sees; leave"):
        cohort_of(eliminated(), lines)


def test_a_class_that_doses_hang_on_is_refused() -> None:
    weighed = "where(SORT == 1, dose(toxin)/full, 1)*input(toxin)"
    made = eliminated().text.replace("input(toxin)", weighed)
    made = made.replace("[parameters.V]", f'[parameters.full]\nvalue = 100\nunit = "mg"\n{toys.SOURCE}\n[parameters.V]')
    with pytest.raises(FitError, match="SORT: the size of doses hangs on the class"):
        Theta.of(parse_model(made, "made.toml"))


def test_shares_are_fixed_together_and_are_of_everybody() -> None:
    model = eliminated()
    assert Theta.of(model).names[-1] == "share.slow"
    theta = Theta.of(model, ["share.slow"])
    assert theta.shares == []
    np.testing.assert_array_equal(theta.unpack(theta.pack(theta.start)).shares, [0.4, 0.6])
    free = Theta.of(model)
    assert free.natural(free.pack(free.population({"share.slow": 0.25})))[-1] == pytest.approx(0.25)
    with pytest.raises(FitError, match="each is more than 0, and all make 1"):
        free.population({"share.slow": 1.25})
