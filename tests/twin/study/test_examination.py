"""A record examined: predictions made before each value, fits after all of them, and figures over patients."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.bedside import count, dose, level
from tests.twin.toys import ABSORPTION, LEVELS
from twin import PatientTwin
from twin.events import LabResult, Prediction, Quantity, from_millis
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.randomness import generator
from twin.study.design import design
from twin.study.examination import Examined, examine
from twin.study.measures import COVERAGE, Description, describe
from twin.study.prediction import Predictor
from twin.study.records import record_of
from twin.study.simulation import simulate
from twin.timeline.regimen import treatment

pytestmark = pytest.mark.slow

TOY = parse_model(LEVELS, "toy.toml")
DEPOT = parse_model(ABSORPTION, "toy.toml")
EVENTS = [dose(0, 60), level(2, 1.4), count(5, 4.2), dose(24, 60), level(30, 0.6), count(48, 3.0)]


def simulated_patients(truth: Model, count: int, model: Model = TOY) -> list[Examined]:
    kernel = compile_model(truth)
    plan = design(kernel)
    found = []
    for number in range(count):
        rng = generator("examined", number)
        eta = np.linalg.cholesky(truth.omega) @ rng.standard_normal(len(truth.eta_names))
        timeline = simulate(Predictor(kernel, f"P-{number}"), eta, plan)
        history, refused = record_of(treatment(truth, f"P-{number}", 42), model)
        assert refused == ()
        for i, o in enumerate(timeline.observations):
            output = truth.outputs[o.output]
            value = Quantity(value=o.value, unit=output.unit)
            said = {"event_id": f"value {i}", "patient_id": f"P-{number}", "time": from_millis(o.millis)}
            history.insert(LabResult(**said, source="a test", analyte=output.name, value=value))
        found.append(examine(f"P-{number}", history, model, 200))
    return found


def described(found: list[Examined]) -> dict[str, Description]:
    return {one.output: one for one in describe(found, [(o.name, o.unit) for o in TOY.outputs])}


@pytest.fixture(scope="module")
def right() -> list[Examined]:
    return simulated_patients(TOY, 25)


def test_predictions_are_those_of_the_twin_itself() -> None:
    twin = PatientTwin("P-1", DEPOT, particles=200)
    said = [output for output in twin.observe(EVENTS).outputs if isinstance(output, Prediction)]
    found = examine("P-1", record_of(EVENTS, DEPOT)[0], DEPOT, 200)
    assert list(found.predictions) == said
    assert found.times.tolist() == pytest.approx([2.0, 5.0, 30.0, 48.0])
    mode = twin.mode()
    assert mode is not None
    assert found.converged == mode.converged


def test_curves_run_through_the_individual_predictions() -> None:
    found = examine("P-1", record_of(EVENTS, DEPOT)[0], DEPOT, 200)
    assert [curve.output for curve in found.curves] == [0, 1]
    for curve in found.curves:
        assert (curve.low <= curve.median).all()
        assert (curve.median <= curve.high).all()
        assert curve.times[0] == 0.0
        for i, observation in enumerate(found.diagnosis.observations):
            if observation.output == curve.output:
                at = int(np.argmin(np.abs(curve.times - found.times[i])))
                assert curve.mode[at] == pytest.approx(found.diagnosis.individual[i], rel=1e-6)
                assert curve.typical[at] == pytest.approx(found.diagnosis.population[i], rel=1e-6)


def test_a_record_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="no value of toxin_plasma, cells in the record"):
        examine("P-1", record_of([dose(0, 60)], DEPOT)[0], DEPOT, 100)


@pytest.mark.slow
def test_the_right_model_is_described_as_right(right: list[Examined]) -> None:
    for one in described(right).values():
        figures = {m.name: m for m in one.measures}
        assert one.patients == 25
        for share in COVERAGE:
            held = figures[f"one step ahead, {100 * share:g} % interval held"]
            assert held.low <= held.value <= held.high
            assert abs(held.value - share) < 0.12
        assert figures["NPDE, mean (0 expected)"].value == pytest.approx(0.0, abs=0.25)
        assert figures["NPDE, SD (1 expected)"].value == pytest.approx(1.0, abs=0.2)
        assert figures["its median over that of the population's prediction"].value < 1


@pytest.mark.slow
def test_a_wrong_model_is_described_as_wrong(right: list[Examined]) -> None:
    calm = parse_model(LEVELS.replace("log_additive = 0.2", "log_additive = 0.1"), "toy.toml")
    wrong = described(simulated_patients(TOY, 12, calm))["marker"]
    figures = {m.name: m for m in wrong.measures}
    assert figures["one step ahead, 90 % interval held"].high < 0.9
    assert figures["IWRES, SD"].low > 1.2
    assert {m.name: m for m in described(right)["marker"].measures}["IWRES, SD"].value < 1.1


def test_an_output_that_nobody_measured_has_no_figures(right: list[Examined]) -> None:
    assert describe(right, [("toxin_plasma", "mg/L"), ("marker", "10*9/L"), ("third", "1")])[-1].output == "marker"
