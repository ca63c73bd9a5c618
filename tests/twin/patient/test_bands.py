"""Bands of a belief: quantiles, exposure against its window, and what lies ahead."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.weights import evenly
from twin.clock import HOUR_MS
from twin.filter.trunk import rhythm_of
from twin.modelfile.library import load_model
from twin.patient.bands import (
    FORECAST_POINTS,
    band,
    exposure_reading,
    forecast_bands,
    forecast_times,
    output_bands,
    parameter_bands,
)
from twin.randomness import generator

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
