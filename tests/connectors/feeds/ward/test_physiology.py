"""The simulated physiology against closed forms, and against a typical patient worked out elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.feeds.ward.physiology import Delivery, course_starts, individual, measured, trajectory
from twin.model.spec import Model
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model

ONE_COMPARTMENT = """
id = "one_compartment"
drug = "drug"
title = "One compartment, first-order elimination, oral absorption, an area, a pool filled by each dose"
time_unit = "h"
[[sources]]
citation = "made for this test"
[inputs.marker]
assumed = "a dose of it fills a pool"
[inputs.drug]
scale = 2
assumed = "records are in half milligrams"
[parameters.CL]
value = 10
unit = "L/h"
iiv = 0.09
expression = "CL * (WT / 70)"
assumed = "for this test"
[parameters.V]
value = 50
unit = "L"
iiv = 0.04
assumed = "for this test"
[parameters.ka]
value = 1.5
unit = "1/h"
assumed = "for this test"
[covariates.WT]
unit = "kg"
reference = 70
assumed = "for this test"
[derived.k]
unit = "1/h"
expression = "CL / V"
[states.D]
unit = "mg"
derivative = "0.5*input(drug, oral) - ka*D"
[states.A]
unit = "mg"
derivative = "input(drug, iv) + ka*D - where(V > 0, k, 0)*A"
[states.AUC]
unit = "mg.h/L"
derivative = "A/V"
[states.P]
unit = "1"
derivative = "3*pulse(marker) - k*P"
[outputs.drug_plasma]
unit = "mg/L"
expression = "A/V"
error = { proportional = 0.2, assumed = "for this test" }
[outputs.pool]
unit = "1"
expression = "P"
error = { log_additive = 0.3, df = 5, assumed = "for this test" }
[targets.exposure]
drug = "drug"
state = "AUC"
unit = "mg.h/L"
low = 1
high = 2
course_gap = 48
assumed = "for this test"
[cadence]
estimate = 1
forecast = 24
horizon = 48
"""

K, V = 0.2, 50.0
"""Typical patient: 10 L/h over 50 L."""


@pytest.fixture(scope="module")
def model() -> Model:
    return parse_model(ONE_COMPARTMENT, "one_compartment.toml")


def infused(t: np.ndarray, start: float, end: float, amount: float) -> np.ndarray:
    """Amount in one compartment, closed form, of an infusion (mg in model units)."""
    rate = amount / (end - start)
    inside = rate / K * (1 - np.exp(-K * np.clip(t - start, 0, end - start)))
    return np.where(t < start, 0, inside * np.exp(-K * np.clip(t - end, 0, None)))


TIMES = np.linspace(0, 60, 241)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.integers(1, 60), st.floats(0.1, 500)), min_size=1, max_size=4, unique=True
    )
)
def test_overlapping_infusions_follow_the_closed_form(plan: list[tuple[int, int, float]]) -> None:
    linear = parse_model(ONE_COMPARTMENT, "one_compartment.toml")
    deliveries = [Delivery("drug", "iv", s / 4, (s + d) / 4, amount) for s, d, amount in plan]
    found = trajectory(linear, individual(linear, {}, {}), deliveries, TIMES)["drug_plasma"]
    wanted = sum(infused(TIMES, d.start, d.end, 2 * d.amount) for d in deliveries) / V
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8)


def test_a_dose_at_once_is_there_at_its_own_time_and_decays(model: Model) -> None:
    found = trajectory(model, individual(model, {}, {}), [Delivery("drug", "iv", 5.0, 5.0, 100.0)], [4.0, 5.0, 8.0])
    np.testing.assert_allclose(found["drug_plasma"], [0.0, 4.0, 4.0 * np.exp(-0.6)], rtol=1e-7)


def test_a_dose_at_the_only_time_asked_for_counts_once(model: Model) -> None:
    found = trajectory(model, individual(model, {}, {}), [Delivery("drug", "iv", 0.0, 0.0, 100.0)], [0.0])
    assert found["drug_plasma"] == pytest.approx([4.0])


def test_a_dose_by_mouth_is_absorbed(model: Model) -> None:
    t = np.linspace(0, 24, 49)
    found = trajectory(model, individual(model, {}, {}), [Delivery("drug", "oral", 0.0, 0.0, 100.0)], t)
    ka = 1.5
    wanted = 100 * ka / (ka - K) * (np.exp(-K * t) - np.exp(-ka * t)) / V
    np.testing.assert_allclose(found["drug_plasma"], wanted, rtol=1e-6, atol=1e-9)


def test_a_pulse_counts_doses_and_not_amounts_or_segments(model: Model) -> None:
    deliveries = [
        Delivery("marker", "iv", 1.0, 1.0, 8.0),
        Delivery("marker", "iv", 2.0, 3.0, 100.0),
        Delivery("marker", "iv", 3.0, 4.0, 100.0, counted=False),
    ]
    found = trajectory(model, individual(model, {}, {}), deliveries, [0.5, 1.0, 2.0, 4.0])["pool"]
    second = 3 * np.exp(-K) + 3
    np.testing.assert_allclose(found, [0, 3, second, second * np.exp(-2 * K)], rtol=1e-7, atol=1e-12)


def test_a_pulse_of_courses_counts_the_first_dose_of_each() -> None:
    courses = parse_model(ONE_COMPARTMENT.replace("pulse(marker)", "pulse(marker, 24)"), "courses.toml")
    given = [Delivery("marker", "iv", start, start, 8.0) for start in (12.0, 1.0, 1.0, 60.0)]
    found = trajectory(courses, individual(courses, {}, {}), given, [1.0, 13.0, 60.0])["pool"]
    np.testing.assert_allclose(found, [3, 3 * np.exp(-12 * K), 3 + 3 * np.exp(-59 * K)], rtol=1e-7)


def test_an_exposure_begins_again_with_each_course(model: Model) -> None:
    courses = [Delivery("drug", "iv", start, start + 2, 100.0) for start in (0.0, 24.0, 120.0)]
    values = individual(model, {}, {})
    area = trajectory(model, values, courses, [119.9, 120.0, 119.9 + 120])["AUC"]
    assert area[0] == pytest.approx(2 * 200 / 10, rel=1e-6)
    assert area[1] == pytest.approx(0, abs=1e-12)
    assert area[2] == pytest.approx(200 / 10, rel=1e-6)
    assert course_starts(courses, 48.0) == [0.0, 120.0]
    assert course_starts(courses, 22.0) == [0.0, 24.0, 120.0]


def test_a_person_has_eta_and_covariates_in_the_parameters(model: Model) -> None:
    values = individual(model, {"CL": 0.3}, {"WT": 35.0})
    assert values == pytest.approx({"WT": 35, "CL": 5 * np.exp(0.3), "V": 50, "ka": 1.5, "k": 0.1 * np.exp(0.3)})


def test_the_typical_docetaxel_patient_has_the_published_models_nadir() -> None:
    docetaxel = load_model("docetaxel_ozawa2007")
    doses = [Delivery("docetaxel", "iv", 0.0, 1.0, 96.0), Delivery("dexamethasone", "iv", 0.0, 0.0, 8.0)]
    days = np.linspace(0, 21, 21 * 48 + 1)
    values = individual(docetaxel, {}, {"ANC0": 4.0, "AAG": 0.94})
    count = trajectory(docetaxel, values, doses, days * 24)["neutrophils"]
    lowest = int(np.argmin(count))
    assert count.max() == pytest.approx(5.6, abs=0.05)
    assert count[lowest] == pytest.approx(0.97, abs=0.01)
    assert days[lowest] == pytest.approx(9.6, abs=0.1)
    assert count[-1] == pytest.approx(5.2, abs=0.05)


def test_results_scatter_as_the_models_error_says(model: Model) -> None:
    level, pool = model.outputs
    rng = np.random.default_rng(5)
    relative = np.array([measured(level, 2.0, rng) for _ in range(4000)]) / 2.0 - 1
    assert np.std(relative) == pytest.approx(0.2, rel=0.05)
    assert abs(np.mean(relative)) < 0.015
    logs = np.log([measured(pool, 3.0, rng) / 3.0 for _ in range(4000)])
    assert np.std(logs) == pytest.approx(0.3 * np.sqrt(5 / 3), rel=0.08)  # Student-t with 5 degrees of freedom
    assert all(measured(level, 1e-9, rng) > 0 for _ in range(100))


@pytest.mark.parametrize(
    ("eta", "covariates", "reason"),
    [
        ({"Q9": 0.1}, {}, "Q9: not in one_compartment, which has CL, V"),
        ({}, {"BSA": 1.8}, "BSA: not in one_compartment"),
    ],
)
def test_names_that_the_model_does_not_have_are_refused(
    model: Model, eta: dict[str, float], covariates: dict[str, float], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        individual(model, eta, covariates)


@pytest.mark.parametrize("times", [[2.0, 1.0], [0.0, float("nan")], [[0.0]]])
def test_times_that_do_not_ascend_are_refused(model: Model, times: list[float]) -> None:
    with pytest.raises(ValueError, match="times must be finite and ascending"):
        trajectory(model, individual(model, {}, {}), [], times)


@pytest.mark.parametrize(("start", "end", "amount"), [(1.0, 0.0, 1.0), (0.0, 1.0, -1.0), (0.0, 1.0, float("nan"))])
def test_an_impossible_delivery_is_refused(start: float, end: float, amount: float) -> None:
    with pytest.raises(ValueError, match="is impossible"):
        Delivery("drug", "iv", start, end, amount)
