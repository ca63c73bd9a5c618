"""What PRED, IPRED, IWRES and NPDE are, and that NPDE are standard normal under the right model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.twin.bedside import count, dose, level, ms
from tests.twin.toys import ABSORPTION
from twin.arrays import Floats
from twin.events import event_id
from twin.kernel.kernel import compile_model
from twin.model.measured.error import ErrorSpec
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.observation.observation import Observation
from twin.randomness import generator
from twin.record.history import History
from twin.solver.effects import Constant
from twin.study.diagnostics import Diagnosis, diagnose, npde, simulated
from twin.study.prediction import Predictor
from twin.timeline.timeline import Timeline, build

TOY = parse_model(ABSORPTION, "toy.toml")
ADDITIVE = replace(TOY.outputs[0], error=ErrorSpec("additive", 1.0, 0.0, None, "a test", None))
LOGGED = replace(TOY.outputs[0], error=ErrorSpec("log_additive", 0.3, 0.0, None, "a test", None))
COUNTED = replace(TOY.outputs[0], kind="count")


def predictor_of(model: Model, patient_id: str = "P-1") -> Predictor:
    return Predictor(compile_model(model), patient_id)


def timeline_of(model: Model) -> Timeline:
    """Two doses, four levels and three counts whose values are still to be said."""
    history = History()
    events = [
        dose(0, 60),
        dose(24, 60),
        *(level(h, 1.0) for h in (1, 6, 23, 26)),
        *(count(h, 4.0) for h in (-1, 30, 60)),
    ]
    for event in events:
        history.insert(event)
    found = build(history, compile_model(model))
    assert found is not None
    return found


def with_values(timeline: Timeline, values: Floats) -> Timeline:
    said = [replace(o, value=float(v)) for o, v in zip(timeline.observations, values, strict=True)]
    return replace(timeline, observations=tuple(said))


def test_predictions_and_residuals_are_those_of_the_models_formulas() -> None:
    predictor, timeline = predictor_of(TOY), timeline_of(TOY)
    eta = np.array([0.2, -0.1, 0.3, 0.0])
    found = diagnose(predictor, timeline, Constant(eta[None]))
    at = [o.millis for o in timeline.observations].index(ms(1))
    clearance, volume = 6 * np.exp(0.2), 30 * np.exp(-0.1)
    level = 60 / volume * np.exp(-clearance / volume)
    assert found.individual[at] == pytest.approx(level, rel=1e-9)
    assert found.population[at] == pytest.approx(2 * np.exp(-0.2), rel=1e-9)
    assert found.iwres[at] == pytest.approx((1.0 - level) / np.hypot(0.02, 0.15 * level), rel=1e-9)
    first = [o.millis for o in timeline.observations].index(ms(-1))
    assert found.individual[first] == pytest.approx(4 * np.exp(0.3), rel=1e-9)
    assert found.iwres[first] == pytest.approx(-0.3 / 0.2, rel=1e-9), "on the logarithm, as the error is"


def test_the_design_of_one_value_has_its_rank_among_the_simulations() -> None:
    simulations = np.linspace(-1, 1, 1001)[:, None]
    observation = Observation(0, "a", 0, 0.5)
    found = npde([observation], [ADDITIVE], simulations, generator("t"))
    assert found[0] == pytest.approx(stats.norm.ppf(0.75), abs=4e-3)
    beyond = npde([replace(observation, value=9.0)], [ADDITIVE], simulations, generator("t"))
    assert beyond[0] == pytest.approx(stats.norm.ppf(1 - 0.5 / 1001)), "finite, however far"


def test_correlated_values_are_decorrelated() -> None:
    rng = generator("decorrelate")
    covariance = np.array([[1.0, 0.9, 0.5], [0.9, 2.0, 0.8], [0.5, 0.8, 1.5]])
    factor = np.linalg.cholesky(covariance)
    simulations = 3.0 + rng.standard_normal((40_000, 3)) @ factor.T
    white = np.array([0.4, -1.1, 0.7])
    values = 3.0 + factor @ white
    observations = [Observation(i, str(i), 0, float(v)) for i, v in enumerate(values)]
    np.testing.assert_allclose(npde(observations, [ADDITIVE] * 3, simulations, rng), white, atol=0.03)


def test_a_logarithmic_error_is_judged_on_the_logarithm() -> None:
    simulations = np.exp(generator("log").standard_normal((20_000, 2)))
    observations = [Observation(0, "a", 0, float(np.exp(-1.3))), Observation(1, "b", 0, float(np.exp(0.6)))]
    np.testing.assert_allclose(npde(observations, [LOGGED] * 2, simulations, generator("t")), [-1.3, 0.6], atol=0.04)


@pytest.mark.slow
def test_a_censored_value_stands_somewhere_below_its_limit() -> None:
    simulations = generator("censored").standard_normal((5000, 1))
    observation = Observation(0, "a", 0, 0.0, below=-0.5)
    rng = generator("places")
    found = np.array([npde([observation], [ADDITIVE], simulations, rng)[0] for _ in range(300)])
    assert (found < -0.45).all()
    assert stats.kstest(stats.norm.cdf(found) / stats.norm.cdf(-0.5), "uniform").pvalue > 0.01


def test_a_value_above_a_limit_stands_somewhere_above_it() -> None:
    simulations = generator("above").standard_normal((5000, 1))
    observation = Observation(0, "a", 0, 0.5, above=0.5)
    rng = generator("places")
    found = np.array([npde([observation], [ADDITIVE], simulations, rng)[0] for _ in range(50)])
    assert (found > 0.45).all()


def test_a_count_takes_a_place_among_its_equals() -> None:
    simulations = generator("counts").poisson(2.0, (4000, 2)).astype(np.float64)
    rng = generator("places")
    values = generator("values").poisson(2.0, 600)
    observations = [[Observation(0, "a", 0, float(v)), Observation(1, "b", 0, float(v))] for v in values]
    found = np.array([npde(pair, [COUNTED] * 2, simulations, rng) for pair in observations])
    assert stats.kstest(found[:, 0], "norm").pvalue > 0.01
    assert stats.kstest(found[:, 1], "norm").pvalue > 0.01


def test_nothing_measured_gives_nothing() -> None:
    timeline = replace(timeline_of(TOY), observations=())
    found = diagnose(predictor_of(TOY), timeline, Constant(np.zeros((1, 4))))
    assert [len(a) for a in (found.population, found.individual, found.iwres, found.npde)] == [0] * 4


def pooled(model: Model, truth: Model, patients: int) -> Floats:
    """NPDE of patients who follow ``truth``, judged by ``model``."""
    timeline = timeline_of(truth)
    values = simulated(predictor_of(truth, "the truth"), timeline, patients)
    found: list[Diagnosis] = [
        diagnose(predictor_of(model, event_id(i)), with_values(timeline, row), Constant(np.zeros((1, 4))))
        for i, row in enumerate(values[:patients])
    ]
    return np.concatenate([one.npde for one in found])


@pytest.mark.slow
def test_npde_are_standard_normal_under_the_right_model_and_not_under_a_wrong_one() -> None:
    right = pooled(TOY, TOY, 60)
    assert stats.kstest(right, "norm").pvalue > 0.01
    assert 0.01 < stats.chi2.cdf(right @ right, len(right)) < 0.99
    calm = parse_model(ABSORPTION.replace("log_additive = 0.2", "log_additive = 0.1"), "toy.toml")
    wrong = pooled(calm, TOY, 60)
    assert stats.chi2.cdf(wrong @ wrong, len(wrong)) > 0.999, "residuals of half the size are noticed"


def test_the_same_patient_gets_the_same_npde() -> None:
    predictor, timeline = predictor_of(TOY), timeline_of(TOY)
    first, again = (diagnose(predictor, timeline, Constant(np.zeros((1, 4)))).npde for _ in range(2))
    np.testing.assert_array_equal(first, again)
