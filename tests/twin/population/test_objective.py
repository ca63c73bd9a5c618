"""The objective is NONMEM's, its gradient that of differences, and neither company nor order changes a bit."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from connectors.feeds.nmtran.reader import read_nmtran
from tests.twin import toys
from tests.twin.filter.test_posthoc import between_occasions
from twin.filter.posthoc import post_hoc
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of
from twin.population.objective import Evaluation, Method, Objective
from twin.population.residuals import refuse_faint, refuse_vanishing
from twin.population.theta import FitError, Theta
from twin.solver.step_control import step_sizes_for
from twin.study.records import record_of
from twin.timeline.timeline import Timeline, build

LINES = (
    "ID,TIME,EVID,AMT,DV",
    *("1,0,1,100,.", "1,1,0,.,6.1", "1,4,0,.,4.4", "1,9,0,.,1.9"),
    *("2,0,1,100,.", "2,2,0,.,7.9", "2,6,0,.,4.8", "2,9,0,.,3.3", "2,14,0,.,1.4"),
    *("3,0,1,50,.", "3,1.5,0,.,2.3", "3,7,0,.,1.6"),
)


@functools.cache
def oral() -> Model:
    """Absorption without a random effect, elimination and volume with correlated ones."""
    extra = f'[[correlations]]\nbetween = ["k", "V"]\ncovariance = 0.02\n{toys.SOURCE}\n'
    parameters = {"ka": "0.9 1/h", "k": "0.2 1/h 0.1", "V": "11 L 0.08"}
    states = {"Depot": "mg: input(toxin) - ka*Depot", "A": "mg: ka*Depot - k*A"}
    return toys.made(parameters, states, {"plasma": "mg/L: A/V"}, extra=extra)


def timelines(model: Model, lines: tuple[str, ...] = LINES) -> dict[str, Timeline]:
    """Of each patient of some lines."""
    reading = read_nmtran(lines, model, output=model.outputs[0].name)
    assert not reading.bad_lines
    found = {}
    for patient, events in reading.by_patient().items():
        timeline = build(record_of(events, model)[0], compile_model(model))
        assert timeline is not None
        found[patient] = timeline
    return found


def objective(model: Model, method: Method = "focei", lines: tuple[str, ...] = LINES) -> Objective:
    """Everybody, everything free."""
    kernel = compile_model(model)
    return Objective(Cohort(kernel, step_sizes_for(kernel), timelines(model, lines), Theta.of(model)), method)


def at_start(of: Objective) -> Evaluation:
    """The objective at the values of the model."""
    theta = of.cohort.theta
    return of(theta.pack(theta.start))


def test_each_patient_counts_as_its_post_hoc_estimate_does() -> None:
    model = oral()
    kernel, found = compile_model(model), at_start(objective(oral()))
    for i, timeline in enumerate(timelines(model).values()):
        known = post_hoc(kernel, step_sizes_for(kernel), timeline)
        assert found.ofv[i] == pytest.approx(known.ofv, abs=2e-5)
        np.testing.assert_allclose(found.eta[i], known.eta, atol=1e-5)
        np.testing.assert_allclose(found.covariance[i], known.covariance, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", ["focei", "foce"])
def test_the_gradient_is_what_differences_say(method: Method) -> None:
    of = objective(oral(), method)
    first = at_start(of)
    for at, score in enumerate(first.score.T):
        step = 1e-4 * np.eye(len(first.vector))[at]
        up, down = (of(first.vector + side * step, first) for side in (1, -1))
        np.testing.assert_allclose(score, (up.ofv - down.ofv) / 2e-4, rtol=1e-4, atol=2e-4)
        np.testing.assert_allclose(first.moves[:, :, at], (up.eta - down.eta) / 2e-4, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "error",
    [
        "additive = 0.3, proportional = 0.1",
        'additive = 0.3, proportional = 0.1, combination = "sd"',
        "log_additive = 0.3",
        "additive = 0.1, log_additive = 0.2",
        "power = { coefficient = 0.2, exponent = 0.7 }",
        'deviation = { coefficient = 0.2, formula = "sqrt(f) + exp(-f)" }',
    ],
)
def test_the_gradient_holds_for_every_error(error: str) -> None:
    text = oral().text.replace("proportional = 0.2", error)
    of = objective(parse_model(text, "made.toml"))
    first = at_start(of)
    assert np.isfinite(first.total)
    for at, score in enumerate(first.gradient):
        step = 1e-4 * np.eye(len(first.vector))[at]
        difference = (of(first.vector + step, first).total - of(first.vector - step, first).total) / 2e-4
        assert score == pytest.approx(difference, rel=1e-4, abs=5e-4)


def test_occasions_count_as_in_a_post_hoc_estimate() -> None:
    model = between_occasions()
    lines = (
        "ID,TIME,EVID,DV,OCC",
        "1,0,0,5,1",
        "1,1,0,6,1",
        "1,24,2,.,2",
        "1,25,0,2,2",
        "1,48,2,.,3",
        "1,49,0,3,3",
        "2,0,0,4,1",
        "2,1,0,7,1",
    )
    of = objective(model, lines=lines)
    first, kernel = at_start(of), compile_model(model)
    for i, timeline in enumerate(timelines(model, lines).values()):
        known = post_hoc(kernel, step_sizes_for(kernel), timeline)
        assert first.ofv[i] == pytest.approx(
            known.ofv - 2 * np.log([o.value for o in timeline.observations]).sum(), abs=1e-4
        )
    # A kappa that nobody's data met adds nothing.
    assert first.eta.shape == (2, 4)
    np.testing.assert_allclose(first.eta[1, 2:], 0.0, atol=1e-12)
    for at, score in enumerate(first.gradient):
        step = 1e-4 * np.eye(len(first.vector))[at]
        difference = (of(first.vector + step, first).total - of(first.vector - step, first).total) / 2e-4
        assert score == pytest.approx(difference, rel=1e-4, abs=5e-4)


@pytest.mark.parametrize("method", ["focei", "foce", "laplace", "fo"])
def test_a_patient_counts_the_same_in_any_company(method: Method) -> None:
    model = oral()
    together = at_start(objective_of(objective(model).cohort, method))
    kernel, everybody = compile_model(model), timelines(model)
    for i, name in enumerate(everybody):
        alone = Cohort(kernel, step_sizes_for(kernel), {name: everybody[name]}, Theta.of(model))
        found = at_start(objective_of(alone, method))
        assert found.ofv[0] == together.ofv[i]
        np.testing.assert_array_equal(found.score[0], together.score[i])


def test_values_that_are_not_normal_are_refused_by_name() -> None:
    model = oral()
    limited = timelines(model)
    of = next(iter(limited))
    first = replace(limited[of].observations[0], below=2.0)
    limited[of] = replace(limited[of], observations=(first, *limited[of].observations[1:]))
    kernel = compile_model(model)
    with pytest.raises(FitError, match=r"plasma has values known only by a limit \(patient .*1\); use method laplace"):
        Objective(Cohort(kernel, step_sizes_for(kernel), limited, Theta.of(model)))


def test_nobody_measured_is_refused() -> None:
    model = oral()
    nothing = {name: replace(one, observations=()) for name, one in timelines(model).items()}
    kernel = compile_model(model)
    with pytest.raises(FitError, match="there is nothing to fit"):
        Cohort(kernel, step_sizes_for(kernel), nothing, Theta.of(model))


def before_any_dose(value: str, error: str, *, initial: str = "") -> Cohort:
    """Everybody, of whom the first has a value one hour before the dose."""
    kinetics = {"k": "0.2 1/h 0.1", "V": "11 L 0.08", "B": "0.1 mg"}
    states = {"A": f"mg: {initial}input(toxin) - k*A + 0*B*k"}
    made = toys.made(kinetics, states, {"plasma": "mg/L: A/V"})
    model = parse_model(made.text.replace("proportional = 0.2", error), "made.toml")
    lines = (LINES[0], f"1,-1,0,.,{value}", *LINES[1:])
    kernel = compile_model(model)
    return Cohort(kernel, step_sizes_for(kernel), timelines(model, lines), Theta.of(model))


@pytest.mark.parametrize("error", ["proportional = 0.2", "log_additive = 0.3"])
def test_a_value_before_any_dose_that_no_number_makes_likely_is_refused_by_name(error: str) -> None:
    with pytest.raises(FitError, match=r"plasma: patient 1 has a value 0.01 before anything was given.*\(values: 1\)"):
        refuse_vanishing(before_any_dose("0.01", error))


def test_values_before_any_dose_are_weighed_where_something_is_predicted_or_the_error_stays() -> None:
    refuse_vanishing(before_any_dose("0.01", "additive = 0.1"))
    refuse_vanishing(before_any_dose("0.01", "proportional = 0.2", initial="B -> "))


@pytest.mark.parametrize(("error", "told"), [("proportional = 0.2", True), ("log_additive = 0.3", False)])
def test_values_below_what_predictions_are_taken_for_ask_for_a_smaller_unit(error: str, told: bool) -> None:
    model = parse_model(oral().text.replace("proportional = 0.2", error), "made.toml")
    faint = objective(model, lines=(*LINES[:-1], "3,7,0,.,3e-13")).cohort
    if told:
        with pytest.raises(FitError, match=r"plasma: patient 3 has a value 3e-13 mg/L, .*in a smaller unit"):
            refuse_faint(faint)
    else:
        refuse_faint(faint)
    refuse_faint(objective(model).cohort)
