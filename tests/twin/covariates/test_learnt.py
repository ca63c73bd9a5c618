"""A network in a model file."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from tests.streams.batch.covariates.simulated import MODEL
from twin.covariates.characteristics import Characteristic, CovariateError
from twin.covariates.learnt import able, check_parameters, widened, with_network
from twin.covariates.network import Network
from twin.model.formula import evaluate
from twin.modelfile.reader import parse_model

MADE = parse_model(MODEL.replace("iiv = 0.04", 'iiv = 0.04\nexpression = "V*(WT/70)"'), "made.toml")

DESCRIBED = {
    "WT": Characteristic("WT", "kg", 20.0, 5.0, 40.0),
    "CRCL": Characteristic("CRCL", "mL/min", 90.0, 50.0, 130.0),
}


def network(hidden: int = 2) -> Network:
    rng = np.random.default_rng(1)
    values = np.column_stack([rng.uniform(5.0, 40.0, size=40), rng.uniform(50.0, 130.0, size=40)])
    weights = rng.normal(size=(hidden, 3)), rng.normal(size=(2, hidden))
    return Network.of(("WT", "CRCL"), ("CL", "V"), values, *weights)


def test_effects_stand_in_the_formulas_beside_those_that_the_model_had() -> None:
    net = network()
    model = with_network(MADE, net, DESCRIBED, "made_learnt", "learnt from somebody")
    assert model.id == "made_learnt"
    assert model.sources[0].citation == "learnt from somebody"
    weight = model.covariates[0]
    assert weight.reference == 20.0  # nobody was near 70 kg
    assert weight.note is not None
    assert "held at these ends" in weight.note
    assert weight.studied == (net.low[0], net.high[0])
    clearance, volume = model.parameters[:2]
    at = {"CL": 5.0, "V": 40.0, "WT": 30.0, "CRCL": 70.0}
    shift = net.shifts(np.array([[30.0, 70.0]]))[0]
    assert isinstance(clearance.expression, ast.expr)
    assert isinstance(volume.expression, ast.expr)
    assert evaluate(clearance.expression, at) == pytest.approx(5.0 * np.exp(shift[0]), rel=1e-12)
    assert evaluate(volume.expression, at) == pytest.approx(40.0 * np.exp(shift[1]) * 30.0 / 70.0, rel=1e-12)


def test_a_normal_parameter_is_shifted_by_a_sum() -> None:
    text = MODEL.replace("iiv = 0.09", 'iiv = 0.09\ndistribution = "normal"')
    model = with_network(parse_model(text, "made.toml"), network(), DESCRIBED, "made_learnt", "somebody")
    expression = model.parameters[0].expression
    assert expression is not None
    found = evaluate(expression, {"CL": 5.0, "V": 40.0, "WT": 30.0, "CRCL": 70.0})
    assert found == pytest.approx(5.0 + network().shifts(np.array([[30.0, 70.0]]))[0, 0], rel=1e-12)


def test_what_is_not_certain_widens_the_variances() -> None:
    wide = widened(MADE, {"CL": 0.01})
    assert wide.omega[0, 0] == pytest.approx(0.10)
    assert wide.omega[1, 1] == 0.04
    assert wide.hash != MADE.hash


def test_what_cannot_be_shifted_is_named() -> None:
    assert able(MADE) == ["CL", "V"]
    with pytest.raises(CovariateError, match=r"parameters: 'Vx' has no log-normal or normal random effects; .* CL, V"):
        check_parameters(MADE, ["CL", "Vx"])
    with pytest.raises(CovariateError, match=r"its formula would have .* characters, over 4000"):
        with_network(MADE, network(60), DESCRIBED, "made_learnt", "somebody")
