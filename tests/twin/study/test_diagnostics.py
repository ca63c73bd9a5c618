"""What PRED, IPRED, IWRES and NPDE are, and that NPDE are standard normal under the right model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.twin.bedside import count, dose, finding, level, ms
from tests.twin.population.joint import pairs
from tests.twin.toys import ABSORPTION
from twin.arrays import Floats
from twin.events import event_id
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.record.history import History
from twin.solver.effects import Constant
from twin.study.diagnostics import Diagnosis, diagnose, simulated
from twin.study.prediction import Predictor
from twin.timeline.timeline import Timeline, build

TOY = parse_model(ABSORPTION, "toy.toml")


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


def test_of_values_measured_together_residuals_are_drawn_as_they_correlate() -> None:
    model = pairs.model()
    history = History()
    for event in (dose(0, 60), *(finding(2, name, 1.0) for name in ("plasma", "urine"))):
        history.insert(event)
    timeline = build(history, compile_model(model))
    assert timeline is not None
    outputs = [o.output for o in timeline.observations]
    alone, together = (
        simulated(predictor_of(of), timeline, 4000)[:, np.argsort(outputs)] for of in (pairs.model(""), model)
    )
    np.testing.assert_allclose(together[:, 0], alone[:, 0], rtol=1e-12)
    moved = np.log(together[:, 1] / alone[:, 1]) / 0.3
    # z' - z = 0.6 a + 0.8 z - z, a the residual of the other.
    assert moved.std() == pytest.approx(np.hypot(0.6, 0.2), rel=0.05)
