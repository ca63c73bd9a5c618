"""The post hoc estimate of a linear Gaussian patient is on paper; so is its objective function."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from connectors.feeds.nmtran.reader import read_nmtran
from tests.twin import toys
from tests.twin.filter.test_trunk import LINE, after
from twin.events import Covariate, DoseGiven, InputEvent, LabResult, Quantity
from twin.filter.posthoc import Estimated, post_hoc, posterior_mode
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.solver.step_control import step_sizes_for
from twin.study.records import record_of
from twin.timeline.timeline import build

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
MODEL = parse_model(toys.ABSORPTION, "toy_absorption.toml")
KERNEL = compile_model(MODEL)


def count(hours: float, value: float) -> LabResult:
    quantity = Quantity(value=value, unit="10*9/L")
    moment = START + timedelta(hours=hours)
    return LabResult(event_id=f"c{hours}", patient_id="P", time=moment, source="t", analyte="cells", value=quantity)


def found(*events: InputEvent) -> Estimated:
    return post_hoc(KERNEL, step_sizes_for(KERNEL), build(record_of(events, MODEL)[0], KERNEL))


def test_counts_without_a_drug_are_a_conjugate_problem() -> None:
    # Cells rest at Base: log count = log 4 + eta + 0.2 z, a normal in eta.
    values = [5.0, 6.0, 4.5]
    known = found(*(count(24.0 * day, value) for day, value in enumerate(values)))
    at = MODEL.eta_names.index("Base")
    variance = 1 / (1 / 0.04 + 3 / 0.2**2)
    mean = variance * np.log(np.array(values) / 4).sum() / 0.2**2
    assert known.eta[at] == pytest.approx(mean, abs=1e-6)
    assert known.errors[at] == pytest.approx(np.sqrt(variance), rel=1e-6)
    assert known.parameters[KERNEL.parameters.index("Base")] == pytest.approx(4 * np.exp(mean), rel=1e-6)
    # For a normal problem the first-order marginal likelihood is exact.
    covariance = 0.04 * np.ones((3, 3)) + 0.2**2 * np.eye(3)
    marginal = stats.multivariate_normal(np.log(4) * np.ones(3), covariance).logpdf(np.log(values))
    marginal -= np.log(values).sum()
    assert known.ofv == pytest.approx(-2 * marginal - 3 * np.log(2 * np.pi), abs=1e-5)


def test_nothing_useful_known_is_the_population() -> None:
    known = found()
    assert not known.eta.any()
    np.testing.assert_allclose(known.errors, np.sqrt(np.diag(MODEL.omega)))
    assert known.ofv == pytest.approx(0.0, abs=1e-12)


def test_parameters_hold_under_the_newest_covariates() -> None:
    def weight(hours: float, kg: float) -> Covariate:
        moment, value = START + timedelta(hours=hours), Quantity(value=kg, unit="kg")
        return Covariate(event_id=f"w{hours}", patient_id="P", time=moment, source="t", name="WT", value=value)

    dose = DoseGiven(
        event_id="d",
        patient_id="P",
        time=START,
        source="t",
        drug="toxin",
        route="iv",
        amount=Quantity(value=9, unit="mg"),
    )
    known = found(dose, weight(0, 70), weight(5, 140))
    assert known.parameters[KERNEL.parameters.index("CL")] == pytest.approx(12.0)


def between_occasions() -> Model:
    """A marker that rests at Base, which differs between patients and between the occasions that OCC counts."""
    made = toys.made({"Base": "4 10*9/L 0.04", "k": "1 1/h"}, {"A": "mg: -k*A"}, {"marker": "10*9/L: Base"})
    text = made.text.replace("iiv = 0.04", "iiv = 0.04\niov = 0.09").replace("proportional", "log_additive")
    text += (
        f'[covariates.OCC]\nunit = "1"\nreference = 1\n{toys.SOURCE}\n[occasions]\ncovariate = "OCC"\n{toys.SOURCE}\n'
    )
    return parse_model(text, "made.toml")


def test_occasions_have_effects_of_their_own_beside_the_patients() -> None:
    model = between_occasions()
    kernel = compile_model(model)
    lines = ["ID,TIME,EVID,DV,OCC", "1,0,0,5,1", "1,1,0,6,1", "1,24,2,.,2", "1,25,0,2,2", "1,48,2,.,3", "1,49,0,3,3"]
    reading = read_nmtran(lines, model, output="marker")
    assert not reading.bad_lines
    known = post_hoc(kernel, step_sizes_for(kernel), build(record_of(reading.events, model)[0], kernel))
    # log y = log 4 + eta + kappa[occasion] + 0.2 z is a normal problem in four unknowns.
    design = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]], dtype=float)
    omega = np.diag([0.04, 0.09, 0.09, 0.09])
    covariance = np.linalg.inv(np.linalg.inv(omega) + design.T @ design / 0.04)
    values = np.log(np.array([5.0, 6.0, 2.0, 3.0]) / 4.0)
    mean = covariance @ design.T @ values / 0.04
    np.testing.assert_allclose([*known.eta, *known.kappa[:, 0]], mean, atol=1e-6)
    np.testing.assert_allclose([*known.errors, *known.kappa_errors[:, 0]], np.sqrt(np.diag(covariance)), rtol=1e-6)
    marginal = stats.multivariate_normal(np.zeros(4), design @ omega @ design.T + 0.04 * np.eye(4)).logpdf(values)
    marginal -= np.log([5.0, 6.0, 2.0, 3.0]).sum()
    assert known.ofv == pytest.approx(-2 * marginal - 4 * np.log(2 * np.pi), abs=1e-5)
    base = known.parameters[kernel.parameters.index("Base")]
    assert base == pytest.approx(4 * np.exp(mean[0] + mean[3]), rel=1e-6)


def test_both_modes_of_a_flip_flop_are_found_and_the_likelier_is_the_answer() -> None:
    # Absorption at 0.3/h and elimination at 1.5/h, or the reverse in five times the volume, give the same levels.
    model = toys.made(
        {"ka": "0.7 1/h 1.0", "k": "0.7 1/h 0.8", "V": "14 L 0.5"},
        {"Depot": "mg: input(toxin, oral) - ka*Depot", "A": "mg: ka*Depot - k*A"},
        {"plasma": "mg/L: A/V"},
    )
    kernel = compile_model(model)

    def level(hours: float, ka: float, k: float, volume: float) -> float:
        return float(100 / volume * ka / (ka - k) * (np.exp(-k * hours) - np.exp(-ka * hours)))

    times = (0.5, 1.0, 2.0, 4.0, 6.0, 9.0)
    assert level(2.0, 0.3, 1.5, 10.0) == pytest.approx(level(2.0, 1.5, 0.3, 50.0))
    lines = ["ID,TIME,EVID,AMT,DV,CMT", "1,0,1,100,.,1"]
    lines += [f"1,{hours},0,.,{level(hours, 0.3, 1.5, 10.0):.6f},2" for hours in times]
    history, refused = record_of(read_nmtran(lines, model).events, model)
    assert not refused
    timeline = build(history, kernel)
    known = post_hoc(kernel, step_sizes_for(kernel), timeline)
    assert known.modes == 2
    assert known.converged
    # The volume of the prior, 14 L, is nearer to 10 than to 50.
    ka, k, volume = known.parameters
    np.testing.assert_allclose([ka, k, volume], [0.3, 1.5, 10.0], rtol=0.3)


def test_a_record_belongs_to_the_occasion_it_names_where_that_is_carried_backward() -> None:
    text = between_occasions().text.replace("[covariates.OCC]", '[covariates.OCC]\ncarry = "backward"')
    model = parse_model(text, "made.toml")
    kernel = compile_model(model)
    lines = ["ID,TIME,EVID,DV,OCC", "1,0,0,5,1", "1,5,0,6,1", "1,24,0,2,2"]
    history, _ = record_of(read_nmtran(lines, model, output="marker").events, model)
    known = post_hoc(kernel, step_sizes_for(kernel), build(history, kernel))
    design = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]], dtype=float)
    covariance = np.linalg.inv(np.diag([1 / 0.04, 1 / 0.09, 1 / 0.09]) + design.T @ design / 0.04)
    mean = covariance @ design.T @ np.log(np.array([5.0, 6.0, 2.0]) / 4.0) / 0.04
    np.testing.assert_allclose([*known.eta, *known.kappa[:, 0]], mean, atol=1e-6)


def test_the_mode_of_a_belief_is_the_best_of_all_particles() -> None:
    belief, sizes = after(4, 26.1).belief, step_sizes_for(KERNEL)
    mode = posterior_mode(KERNEL, sizes, belief, LINE)
    assert mode.converged
    at_mode = posterior_mode(KERNEL, sizes, replace(belief, eta=np.tile(mode.eta, (40, 1))), LINE)
    assert at_mode.eta == pytest.approx(mode.eta, abs=2e-3)
    assert at_mode.objective == pytest.approx(mode.objective, abs=1e-5)
    deviations = np.abs(belief.weight @ belief.eta - mode.eta) / np.sqrt(np.diag(mode.covariance))
    assert deviations.max() < 1.0


def test_where_a_value_is_beyond_what_numbers_hold_the_mode_is_none() -> None:
    model = parse_model(toys.BOLUS, "toy_bolus.toml")
    kernel = compile_model(model)
    for value, converged in ((5.0, True), (1e300, False)):
        quantity, drug = Quantity(value=value, unit="mg/L"), Quantity(value=100, unit="mg")
        given = DoseGiven(
            event_id="d", patient_id="P", time=START, source="t", drug="toxin", route="iv", amount=drug,
            duration=Quantity(value=1, unit="h"),
        )  # fmt: skip
        level = LabResult(
            event_id="l", patient_id="P", time=START + timedelta(hours=2), source="t", analyte="toxin", value=quantity
        )
        known = post_hoc(kernel, step_sizes_for(kernel), build(record_of([given, level], model)[0], kernel))
        assert known.converged is converged
