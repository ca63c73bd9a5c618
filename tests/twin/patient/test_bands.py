"""Bands of a belief: quantiles, exposure against its window, and what lies ahead."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.weights import evenly
from twin.clock import HOUR_MS
from twin.filter.trunk import rhythm_of
from twin.kernel.kernel import compile_model
from twin.modelfile.library import load_model
from twin.patient.bands import (
    FORECAST_POINTS,
    Priors,
    band,
    exposure_reading,
    forecast_bands,
    forecast_times,
    output_bands,
    parameter_bands,
    prior_ranges,
)
from twin.randomness import generator
from twin.solver.linear_system import individual_parameters

DOCETAXEL = load_model("docetaxel_ozawa2007")
HORIZON = rhythm_of(DOCETAXEL, "").horizon
FLUOROURACIL = load_model("fluorouracil_yamada2025")


# --- bands -----------------------------------------------------------------------------------------------------------


def test_a_band_holds_the_weighted_quantiles_with_name_and_unit() -> None:
    values = np.linspace(0, 10, 1001)
    found = band("CL", "L/h", values, evenly(1001))
    assert (found.name, found.unit) == ("CL", "L/h")
    levels = (found.q05, found.q25, found.median, found.q75, found.q95)
    assert levels == pytest.approx((0.5, 2.5, 5.0, 7.5, 9.5), abs=0.01)


def test_every_output_has_a_band_now_and_one_along_the_forecast() -> None:
    out = generator("bands").random((7, 2, 50)) + 1.0
    now = output_bands(DOCETAXEL, out[0], evenly(50))
    assert [(b.name, b.unit) for b in now] == [("docetaxel_plasma", "mg/L"), ("neutrophils", "10*9/L")]
    along = forecast_bands(DOCETAXEL, out, evenly(50))
    assert [len(b.median) for b in along] == [7, 7]
    for i in range(2):
        first = (along[i].q05[0], along[i].q25[0], along[i].median[0], along[i].q75[0], along[i].q95[0])
        assert first == (now[i].q05, now[i].q25, now[i].median, now[i].q75, now[i].q95)


def test_parameters_that_vary_between_patients_are_told_in_their_units() -> None:
    par = np.tile(np.arange(12.0), (20, 1))
    names = (*(p.name for p in DOCETAXEL.parameters), "ktr")
    found = parameter_bands(DOCETAXEL, names, par, evenly(20))
    assert [(b.name, b.unit) for b in found] == [
        ("CL", "L/h"), ("V1", "L"), ("MTT", "h"), ("Slope", "L/mg"), ("IP0", "10*9/L"),
    ]  # fmt: skip
    assert [b.median for b in found] == [names.index(b.name) for b in found]


# --- what lies ahead -------------------------------------------------------------------------------------------------


def test_a_forecast_covers_its_horizon_evenly_from_now() -> None:
    times = forecast_times(1_000, HORIZON)
    assert len(times) == FORECAST_POINTS + 1
    assert times[0] == 1_000
    assert times[-1] == 1_000 + 504 * HOUR_MS
    assert len(set(np.diff(times).tolist())) == 1


def test_exposure_is_held_against_its_window_at_the_end_of_the_course() -> None:
    (target,) = FLUOROURACIL.targets
    at_end = np.array([10.0, 19.999, 20.0, 25.0, 30.0, 30.001, 50.0, np.nan])
    weight = np.array([0.1, 0.1, 0.2, 0.1, 0.1, 0.3, 0.1, 0.0])
    found = exposure_reading(target, at_end / 2, at_end, weight, known=True)
    assert (found.target_low, found.target_high) == (20.0, 30.0)
    assert found.p_below == pytest.approx(0.2)
    assert found.p_above == pytest.approx(0.4)
    assert found.at_end is not None
    assert found.so_far.median == pytest.approx(found.at_end.median / 2)
    unplanned = exposure_reading(target, at_end / 2, at_end, weight, known=False)
    assert (unplanned.at_end, unplanned.p_below, unplanned.p_above) == (None, None, found.p_above)
    assert (found.at_end.name, found.at_end.unit) == ("fluorouracil_auc", "mg.h/L")


def test_probabilities_never_exceed_one_by_rounding() -> None:
    (target,) = FLUOROURACIL.targets
    weight = np.full(10, 0.1) * (1 + 1e-15)
    assert exposure_reading(target, np.ones(10), np.full(10, 99.0), weight, known=True).p_above == 1.0


# --- before anything is measured -------------------------------------------------------------------------------------


def test_a_prior_is_the_typical_value_for_these_characteristics_with_the_populations_spread() -> None:
    kernel = compile_model(DOCETAXEL)
    found = prior_ranges(kernel, np.array([4.0, 1.88, 1.6]), np.array([0.0, 0.0, 0.0, 0.1, 0.0]))
    assert list(found) == ["CL", "V1", "MTT", "Slope", "IP0"]
    assert found["CL"].median == 35.7
    spread = np.exp(1.6449 * np.sqrt(0.1478))
    assert (found["CL"].q05, found["CL"].q95) == pytest.approx((35.7 / spread, 35.7 * spread), rel=1e-3)
    # Twice the acid glycoprotein; and a variance of 0.1 more where a characteristic was never reported.
    slope, spread = 17.9 * 2**-1.38, np.exp(1.6449 * np.sqrt(0.3818 + 0.1))
    assert (found["Slope"].median, found["Slope"].q95) == pytest.approx((slope, slope * spread), rel=1e-3)


def test_a_prior_is_that_of_patients_drawn_from_the_population_on_an_occasion() -> None:
    model = load_model("febrile_neutropenia_suite")
    kernel, rng = compile_model(model), generator("occasion")
    covariates = np.array([*(c.reference for c in model.covariates), *np.zeros(len(kernel.record))])
    eta = rng.standard_normal((20_000, len(model.eta_names))) @ np.linalg.cholesky(model.omega).T
    kappa = rng.standard_normal((20_000, len(model.iov_names))) @ np.linalg.cholesky(model.omega_iov).T
    effects = np.zeros((20_000, len(model.effect_names)))
    effects[:, : eta.shape[1]] = eta
    for k, parameter in enumerate(model.iov_names):
        effects[:, model.effect_names.index(parameter)] += kappa[:, k]
    drawn = individual_parameters(kernel, effects, covariates)
    for parameter, said in prior_ranges(kernel, covariates, np.zeros(len(model.eta_names))).items():
        q05, median, q95 = np.quantile(drawn[:, kernel.parameters.index(parameter)], (0.05, 0.5, 0.95))
        assert (said.q05, said.median, said.q95) == pytest.approx((q05, median, q95), rel=0.05, abs=0.04)


def test_priors_are_worked_out_again_only_where_characteristics_changed() -> None:
    priors = Priors(compile_model(DOCETAXEL))
    one, still = np.array([4.0, 0.94, 1.6]), np.zeros(5)
    assert priors.of(one, still) is priors.of(one.copy(), still.copy())
    assert priors.of(np.array([4.0, 1.88, 1.6]), still)["Slope"].median < priors.of(one, still)["Slope"].median
    assert priors.of(one, still + 0.1)["CL"].q95 > priors.of(one, still)["CL"].q95
