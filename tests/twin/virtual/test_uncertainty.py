"""Typical values that differ from trial to trial."""

from __future__ import annotations

import numpy as np
import pytest

from twin import load_model
from twin.kernel.kernel import compile_model
from twin.model.spec import ModelError
from twin.modelfile.reader import parse_model
from twin.solver.linear_system import individual_parameters
from twin.virtual.uncertainty import Shifts, drawn_factors, given_factors, shiftable

MODEL = load_model("docetaxel_ozawa2007")


@pytest.mark.parametrize(("distribution", "value"), [("log-normal", 0.4), ("normal", 0.4), ("logit", 0.4)])
def test_a_shift_of_eta_is_the_factor_on_the_typical_value(distribution: str, value: float) -> None:
    text = MODEL.text.replace("[parameters.gamma]", f'[parameters.gamma]\ndistribution = "{distribution}"')
    model = parse_model(text, MODEL.id)
    names = [spec.name for spec in model.parameters]
    value = next(spec.value for spec in model.parameters if spec.name == "gamma")
    shifted = shiftable(model, ("gamma",))
    eta = np.zeros((1, len(shifted.eta_names)))
    eta[0, shifted.eta_names.index("gamma")] = Shifts((("gamma", 1.3),)).of(model)["gamma"]
    kernel = compile_model(shifted)
    found = individual_parameters(kernel, eta, kernel.reference)[0, names.index("gamma")]
    assert found == pytest.approx(1.3 * value, rel=1e-12)


def test_all_trials_share_one_model() -> None:
    shifted = shiftable(MODEL, ("CL", "gamma"))
    assert set(shifted.eta_names) == {*MODEL.eta_names, "gamma"}
    assert shifted.omega[0, 0] == MODEL.omega[0, 0]


def test_factors_have_the_spread_that_is_told() -> None:
    rng = np.random.default_rng(2)
    logs = np.log([drawn_factors((("CL", 0.1),), rng).factors[0][1] for _ in range(4000)])
    assert (logs.mean(), logs.std()) == (pytest.approx(0.0, abs=0.01), pytest.approx(0.1, rel=0.05))


def test_draws_are_typical_values() -> None:
    value = next(spec.value for spec in MODEL.parameters if spec.name == "CL")
    found = given_factors([{"CL": str(2 * value)}, {"CL": str(value)}], MODEL, "draws.csv")
    assert [one.factors for one in found] == [(("CL", 2.0),), (("CL", 1.0),)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no rows"),
        ([{"KA": "1"}], "no parameter"),
        ([{"CL": "1"}, {"CL": "x"}], "line 3, CL"),
    ],
)
def test_draws_that_cannot_be_used_are_named(rows: list[dict[str, str]], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        given_factors(rows, MODEL, "draws.csv")


def test_a_typical_value_keeps_its_sign() -> None:
    with pytest.raises(ModelError, match="keep their sign"):
        Shifts((("CL", -1.0),)).of(MODEL)
