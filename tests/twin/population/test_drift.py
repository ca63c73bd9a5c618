"""Fits of effects that drift, held to models in which everything is linear and normal."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of
from tests.twin.population.drifting import GAINED, GRID, HOURS, Beside, best, cohort, law, minus_2_log, model
from tests.twin.population.importance.test_sampled import names_of
from twin.arrays import Floats
from twin.filter.posthoc import post_hoc
from twin.modelfile.reader import parse_model
from twin.observation.observation import Observation
from twin.population.diagnostics.residuals import residuals
from twin.population.diagnostics.simulated import simulated
from twin.population.importance.climbing import climb
from twin.population.importance.covering import first_proposals
from twin.population.importance.density import Density
from twin.population.importance.draws import even_draws
from twin.population.importance.sampled import Sample
from twin.population.laplace.methods import objective_of
from twin.population.means.approach import sought
from twin.population.modes.descent import scattered
from twin.population.objective import Method
from twin.population.prior import Prior
from twin.population.results.written import Provenance, fitted_model
from twin.population.sampling.blocks import FREEDOM, WIDE
from twin.population.sampling.gibbs import sampled
from twin.population.sampling.saem import settle
from twin.population.search import State, bounds
from twin.population.theta import FitError, Theta
from twin.study.diagnostics import diagnose
from twin.study.prediction import Predictor
from twin.study.simulation import truth

EVERY: tuple[Beside, ...] = ("nothing", "occasions", "sites", "classes")


def test_drifts_are_numbers_of_the_population_by_the_names_of_the_file() -> None:
    theta = Theta.of(model())
    assert theta.names[2:7] == ("omega.base", "omega.base.slope", "omega.slope", "drift.base", "drift.slope")
    assert np.diag(theta.start.omega_drift).tolist() == [*GAINED.values()]
    both = Theta.of(model("occasions"))
    assert both.names[5:9] == ("iov.base", "iov.slope", "drift.base", "drift.slope")
    assert np.diag(both.start.omega_iov).tolist() == [1.2, 0.1]


@pytest.mark.parametrize("beside", EVERY)
@pytest.mark.parametrize("method", ["focei", "foce", "fo", "laplace"])
def test_the_objective_is_exact_where_all_is_normal_and_so_is_its_gradient(method: Method, beside: Beside) -> None:
    theta = cohort(beside).theta
    vector = theta.pack(theta.start)
    found = objective_of(cohort(beside), method)(vector, thorough=True)
    assert found.total == pytest.approx(minus_2_log(cohort(beside), vector, beside).sum(), abs=2e-5)
    for at, slope in enumerate(found.gradient):
        step = np.eye(theta.size)[at] * 1e-4
        up, down = (minus_2_log(cohort(beside), vector + side * step, beside).sum() for side in (1, -1))
        assert slope == pytest.approx((up - down) / 2e-4, abs=2e-3), theta.names[at]


@pytest.mark.parametrize("beside", EVERY)
def test_draws_of_steps_make_the_likelihood_and_its_score(beside: Beside) -> None:
    of = cohort(beside)
    density, theta = Density(of), of.theta
    vector = theta.pack(theta.start)
    standard = even_draws(names_of(of), 1, 4096, of.effects)
    sample = Sample(density, vector, first_proposals(density, vector), standard)
    found = sample.likelihood(vector)
    assert -2.0 * found.total == pytest.approx(minus_2_log(of, vector, beside).sum(), abs=0.05)
    assert found.score.shape[1] == theta.size
    # A ratio that has no effect of its own moves what each draw foresees, by which scores of draws scatter widely.
    for at in (n for n, name in enumerate(theta.names) if name != "ratio"):
        slope = found.score[:, at].sum()
        step = np.eye(theta.size)[at] * 1e-4
        up, down = (minus_2_log(of, vector + side * step, beside).sum() for side in (1, -1))
        assert -2.0 * slope == pytest.approx((up - down) / 2e-4, abs=0.5), theta.names[at]


@pytest.mark.parametrize("beside", EVERY)
def test_ends_of_a_search_by_modes_are_the_exact_maximum(beside: Beside) -> None:
    of = cohort(beside, 40)
    expected = best(of, beside)[0]
    start = of.theta.pack(of.theta.start)
    state, here = sought(objective_of(of, "focei"), State(start), lambda *_: None, bounds(of.theta))
    assert state.why == "converged"
    assert here.total - minus_2_log(of, expected, beside).sum() == pytest.approx(0.0, abs=2e-3)


@pytest.mark.parametrize("beside", ["nothing", "occasions"])
def test_each_patient_counts_and_walks_as_its_post_hoc_estimate_does(beside: Beside) -> None:
    of = cohort(beside)
    found = objective_of(of, "focei")(of.theta.pack(of.theta.start), thorough=True)
    for i, subject in enumerate(of.subjects):
        known = post_hoc(of.kernel, of.step_sizes, subject.timeline)
        assert known.ofv == pytest.approx(found.ofv[i], abs=1e-6)
        steps = np.sqrt(GRID) * np.array([found.eta[i, part] for part in of.parts["drift"]])
        walk = found.eta[i, of.parts["omega"][0]] + np.cumsum([np.zeros(2), *steps], axis=0)
        np.testing.assert_allclose(known.drifted, walk, atol=1e-6)
        assert known.steps == subject.steps
        kappa = [found.eta[i, part] for part in of.parts["iov"]]
        np.testing.assert_allclose(known.kappa.ravel(), np.ravel(kappa), atol=1e-6)


@pytest.mark.parametrize("beside", ["nothing", "occasions"])
def test_residuals_are_whitened_and_simulated_values_spread_as_the_law_says(beside: Beside) -> None:
    of = cohort(beside)
    theta, vector = of.theta, of.theta.pack(of.theta.start)
    objective = objective_of(of, "focei")
    mean, covariance = law(theta, vector)
    values, vectors = np.linalg.eigh(covariance)
    y = np.array([[o.value for o in subject.observations] for subject in of.subjects])
    found = residuals(objective, objective(vector, thorough=True))
    whitened = (y - mean) @ (vectors / np.sqrt(values)) @ vectors.T
    np.testing.assert_allclose(found.cwres.reshape(y.shape), whitened, atol=1e-5)
    drawn = simulated(of, theta.start, 1, 4000).reshape(-1, len(mean))
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, rtol=0.05, atol=0.1)


def test_the_npde_of_an_estimate_and_patients_who_are_made_up_drift() -> None:
    of = cohort()
    mean, covariance = law(of.theta, of.theta.pack(of.theta.start))
    timeline, predictor = of.subjects[0].timeline, Predictor(of.kernel, "1", of.step_sizes)
    drawn = diagnose(predictor, timeline, post_hoc(of.kernel, of.step_sizes, timeline).effects, 4000).simulated
    np.testing.assert_allclose(np.cov(drawn.T), covariance, rtol=0.1, atol=0.2)
    looks = [Observation(o.millis, "", o.output, 0.0) for o in timeline.observations]
    made_up = [
        one.predictions(truth(one, np.zeros(2)), timeline, looks)
        for one in (Predictor(of.kernel, str(n), of.step_sizes) for n in range(400))
    ]
    steps = np.floor(np.array(HOURS) / GRID)
    gained = (GAINED["base"] + GAINED["slope"] * np.array(HOURS) ** 2) * GRID * steps
    np.testing.assert_allclose(np.var(np.hstack(made_up), axis=1), gained, rtol=0.25)
    np.testing.assert_allclose(np.mean(np.hstack(made_up), axis=1), mean, atol=0.6)


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["nothing", "occasions"])
def test_ends_by_draws_are_the_exact_maximum(beside: Beside) -> None:
    of = cohort(beside, 40)
    (expected, errors), start, density = best(of, beside), of.theta.pack(of.theta.start), Density(of)
    settled = settle(density, start)
    np.testing.assert_allclose((settled.vector - expected) / errors, 0.0, atol=0.5)
    climbed = climb(density, start)
    assert climbed.why == "converged"
    within = 0.25 if beside == "nothing" else 0.4  # fourteen effects: a thousand draws say less of them
    np.testing.assert_allclose((climbed.vector - expected) / errors, 0.0, atol=within)


def exact_posterior(fixed: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Means and standard deviations of what is not ``fixed``, by draws that the exact likelihood and the weak prior
    weigh."""
    of = cohort("occasions", 15, fixed)
    theta = of.theta
    (centre, errors), rng = best(of, "occasions"), np.random.default_rng(2)
    draws = stats.multivariate_t(centre, np.diag((1.5 * errors) ** 2), df=5, seed=rng)
    vectors = draws.rvs(2000)
    log = -0.5 * np.array([minus_2_log(of, one, "occasions").sum() for one in vectors]) - draws.logpdf(vectors)
    for at, element in enumerate(theta.elements):
        if element.kind in ("iov", "drift"):
            scale = WIDE * np.sqrt(theta.start.covariance(element.kind)[element.i, element.i])
            sd = np.exp(vectors[:, at])
            log += vectors[:, at] - 0.5 * (FREEDOM + 1.0) * np.log1p((sd / scale) ** 2 / FREEDOM)
    share = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    natural = np.array([theta.natural(one) for one in vectors])
    mean = share @ natural
    return mean, np.sqrt(share @ (natural - mean) ** 2)


@pytest.mark.slow
def test_the_posterior_of_occasions_and_drift_is_the_exact_one() -> None:
    # Six values have fewer numbers than effects: of an error that may be nothing a flat prior leaves no posterior.
    fixed = ("omega.base", "iov.slope", "drift.slope", "error.line.additive")
    of, (mean, sd) = cohort("occasions", 15, fixed), exact_posterior(fixed)
    assert of.theta.names == ("base", "slope", "iov.base", "drift.base")
    found = sampled(Density(of), of.theta.pack(of.theta.start), warm=150, kept=300, most=300)
    np.testing.assert_allclose((found.mean - mean) / sd, 0.0, atol=0.4)
    np.testing.assert_allclose(found.sd / sd, 1.0, atol=0.3)


@pytest.mark.parametrize("beside", EVERY)
def test_what_was_fitted_is_written_as_a_file_with_its_drift(beside: Beside) -> None:
    theta = Theta.of(model(beside))
    vector = theta.pack(theta.start)
    vector[theta.names.index("drift.base")] += np.log(1.3)  # of the standard deviation
    written = fitted_model(theta, theta.unpack(vector), None, Provenance("a fit", 6), "fitted")
    again = {p.name: (p.drift, p.iov) for p in written.parameters if p.drift is not None}
    base, slope = (None, None) if beside == "nothing" else (1.2, 0.1)
    assert again == {
        "base": (pytest.approx(0.5 * 1.69), base and pytest.approx(base)),
        "slope": (pytest.approx(0.02), slope and pytest.approx(slope)),
    }
    assert written.iov_names == model(beside).iov_names
    assert written.drift == model(beside).drift


def test_a_drift_that_is_fixed_stays() -> None:
    assert "drift.base" not in Theta.of(model(), ["drift.base"]).names
    assert "drift.slope" in Theta.of(model(), ["drift.base"]).names


def test_a_grid_that_makes_too_many_effects_is_refused() -> None:
    lines = ["ID,TIME,EVID,AMT,DV", "1,0,0,.,9", "1,250,0,.,9"]
    with pytest.raises(FitError, match=r"drift: its grid of 2 makes 250 effects .* a fit takes 200; write a coarser"):
        cohort_of(model(), lines, "line")


def test_modes_are_not_searched_along_each_of_many_steps() -> None:
    of = cohort("occasions")
    assert of.axes.tolist() == [0, 1, 2, 3, 4, 5]  # eta and the kappas of two occasions
    assert scattered(np.eye(of.effects), of.axes).shape == (13, 14)


def test_a_drift_may_be_known_before() -> None:
    known = {"source": "a paper", "numbers": {"drift.base": {"value": 0.4, "se": 0.1}}}
    theta = Theta.of(model("occasions")).with_prior(Prior.read(known))
    penalty = theta.penalty(theta.pack(theta.start))
    assert penalty is not None
    assert np.flatnonzero(penalty.gradient).tolist() == [theta.names.index("drift.base")]


@pytest.mark.parametrize("own", ["", ", lag = late"])
def test_steps_and_occasions_move_what_is_given_also_where_doses_are_late(own: str) -> None:
    """One compartment whose k drifts at each second hour and has an occasion from 3 h on, by its closed form."""
    made = toys.made(
        {"k": "0.3 1/h 0.09", "late": "0.000001 h"},
        {"A": f"mg: input(toxin{own}) - k*A"},
        {"level": "mg: A"},
    )
    text = made.text.replace("iiv = 0.09\n", "iiv = 0.09\ndrift = 0.02\niov = 0.03\n")
    text += f"\n[drift]\ngrid = {GRID}\nlag = 20\n{toys.SOURCE}\n"
    text += f'[occasions]\ncovariate = "OCC"\n{toys.SOURCE}\n[covariates.OCC]\nunit = "1"\nreference = 0\n{toys.SOURCE}'
    lines = ["ID,TIME,EVID,AMT,DV,OCC", "1,0,1,100,.,0", "1,1,0,.,70,0", "1,3,2,.,.,1", "1,5,0,.,20,1"]
    of = cohort_of(parse_model(text, "made.toml"), lines)
    z = np.zeros((1, 1, of.size))
    z[0, 0, :5] = (0.1, 0.25, -0.15, 0.4, -0.3)  # eta, kappa of two occasions, and two steps at 2 and 4 h
    found = of.predictions(np.array([0]), z, of.theta.start.place)[:, 0]
    steps, kappa = np.sqrt(GRID) * np.array([0.0, 0.4, 0.4, 0.1]), np.array([0.25, 0.25, -0.15, -0.15])
    rates = 0.3 * np.exp(0.1 + kappa + steps)  # until 2, 3, 4 and 5 h
    assert found == pytest.approx(100 * np.exp([-rates[0], -rates @ [2.0, 1.0, 1.0, 1.0]]), rel=1e-5)
