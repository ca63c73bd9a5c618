"""Who comes to a simulated ward."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.feeds.ward.drawing import draw_patient
from connectors.feeds.ward.ward import WARD_MODELS, named_models
from tests.twin import toys
from twin.modelfile.library import load_model

MODELS = named_models(WARD_MODELS)


def test_patients_are_drawn_from_the_models_population() -> None:
    model = MODELS[0]
    drawn = [draw_patient(model, index, 1, 0, 1.0, "W") for index in range(600)]
    etas = np.array([[patient.eta[name] for name in model.eta_names] for patient in drawn])
    np.testing.assert_allclose(etas.mean(axis=0) / np.sqrt(np.diag(model.omega)), 0, atol=0.15)
    np.testing.assert_allclose(np.var(etas, axis=0), np.diag(model.omega), rtol=0.2)
    surface = [patient.covariates["BSA"] for patient in drawn]
    assert np.mean(surface) == pytest.approx(model.covariates[2].reference, rel=0.03)
    assert np.std(surface) == pytest.approx(0.11 * float(np.mean(surface)), rel=0.15)


def test_correlated_effects_are_drawn_with_their_correlation() -> None:
    model = load_model("mercaptopurine_jost2020")
    drawn = [draw_patient(model, index, 1, 0, 1.0, "W") for index in range(1500)]
    etas = np.array([[patient.eta[name] for name in model.eta_names] for patient in drawn])
    spread = np.sqrt(np.diag(model.omega))
    np.testing.assert_allclose(np.corrcoef(etas.T), model.omega / np.outer(spread, spread), atol=0.08)


def test_a_model_that_does_not_say_how_to_treat_is_refused() -> None:
    with pytest.raises(ValueError, match=r"has no \[\[regimens\]\], so nobody knows how to treat"):
        draw_patient(toys.bolus(), 0, 1, 0, 1.0, "W")
