"""A network is the same in numbers, in JSON and as a formula, and holds covariates within what was seen."""

from __future__ import annotations

import ast
import json

import numpy as np
import pytest

from twin.arrays import Floats
from twin.covariates.network import Network, standardised
from twin.model.formula import evaluate


def some(seed: int = 1) -> tuple[Network, Floats]:
    """A network of two covariates and two parameters, and the covariates that it was learnt in."""
    rng = np.random.default_rng(seed)
    values = np.column_stack([rng.normal(70.0, 12.0, size=50), rng.integers(0, 2, size=50).astype(float)])
    inner, outer = rng.normal(size=(3, 3)), rng.normal(size=(2, 3))
    inner[2], outer[:, 2] = 1.0, 1e-5
    return Network.of(("WT", "SEX"), ("CL", "V"), values, inner, outer), values


def test_shifts_are_those_of_the_standardised_weights_about_their_mean() -> None:
    rng = np.random.default_rng(1)
    network, values = some()
    rng.normal(70.0, 12.0, size=50), rng.integers(0, 2, size=50)
    inner, outer = rng.normal(size=(3, 3)), rng.normal(size=(2, 3))
    raw = np.tanh(inner[:2, 0] + standardised(values) @ inner[:2, 1:].T) @ outer[:, :2].T
    np.testing.assert_allclose(network.shifts(values), raw - raw.mean(axis=0), atol=1e-4)
    assert len(network.inner) == 2  # what nobody hears is left out


def test_the_formula_gives_the_same_shift_also_beyond_what_was_seen() -> None:
    network, values = some()
    rows = np.vstack([values[:5], [[300.0, 0.0], [1.0, 2.0]]])
    for p, name in enumerate(network.parameters):
        formula = ast.parse(network.formula(name), mode="eval").body
        found = [evaluate(formula, {"WT": row[0], "SEX": row[1]}) for row in rows]
        np.testing.assert_allclose(np.array(found, dtype=float), network.shifts(rows)[:, p], atol=1e-12)
    np.testing.assert_array_equal(
        network.shifts(rows[5:6]), network.shifts(np.array([[values[:, 0].max(), 0.0]]).round(4))
    )


def test_what_is_outside_of_what_was_seen_is_said() -> None:
    network, _ = some()
    assert network.outside(np.array([70.0, 1.0])) == []
    (said,) = network.outside(np.array([300.0, 1.0]))
    assert said.startswith("WT 300 is above ")
    assert "counts as that" in said


def test_a_network_comes_back_from_json_and_nothing_else_does() -> None:
    network, values = some()
    content = json.loads(json.dumps(network.as_numbers()))
    again = Network.from_numbers(network.covariates, network.parameters, content)
    np.testing.assert_array_equal(again.shifts(values), network.shifts(values))
    with pytest.raises(ValueError, match="low has the shape"):
        Network.from_numbers(("WT",), network.parameters, content)
    with pytest.raises(ValueError, match="offset has the shape"):
        Network.from_numbers(network.covariates, network.parameters, content | {"offset": [float("nan"), 0.0]})
    with pytest.raises(KeyError):
        Network.from_numbers(network.covariates, network.parameters, {})


def test_a_network_whose_gates_are_all_closed_does_nothing() -> None:
    values = np.random.default_rng(1).normal(size=(20, 2))
    network = Network.of(("A", "B"), ("CL",), values, np.zeros((2, 3)), np.zeros((1, 2)))
    assert network.used == ()
    assert not network.shifts(values).any()
    again = Network.from_numbers(("A", "B"), ("CL",), network.as_numbers())
    assert not again.shifts(values).any()
