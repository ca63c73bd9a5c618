"""A fitted model is a model file that says the numbers found and where they come from."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.observation.test_outcomes import MODEL as COUNTED
from tests.twin.population.mixture.mixtures import eliminated
from tests.twin.population.test_theta import model, skewed
from twin.modelfile.library import library_ids, load_model
from twin.modelfile.reader import parse_model
from twin.population.results.written import Provenance, as_toml, fitted_model
from twin.population.theta import Theta
from twin.population.values import Population

FIT = Provenance("FOCE-I (dosetwin 0) from made 00, data 11", 12)


def test_the_numbers_found_stand_in_it() -> None:
    theta = Theta.of(model(), fixed=("d",))
    found = theta.population({"a": 2.5, "omega.a": 0.25, "omega.a.b": 0.06, "error.plasma.proportional": 0.31})
    errors = np.arange(1.0, theta.size + 1.0)
    made = fitted_model(theta, found, errors, FIT, "made_fit")
    again = Population.of(made)
    np.testing.assert_allclose(again.place, found.place)
    np.testing.assert_array_equal(again.omega, found.omega)
    assert made.id == "made_fit"
    assert made.outputs[0].error.proportional == 0.31
    assert made.parameters[0].source == FIT.fit
    assert made.parameters[0].stated.se == 1.0
    assert made.parameters[0].stated.patients == 12
    assert made.sources[0].citation == FIT.fit
    # What was fixed keeps its source.
    assert made.parameters[3].source == "made up for a test"
    assert made.parameters[3].stated.se is None


def test_shares_of_classes_stand_in_it() -> None:
    theta = Theta.of(eliminated())
    made = fitted_model(theta, theta.population({"share.slow": 0.3125}), None, FIT, "made_fit")
    assert made.mixture is not None
    assert made.mixture.shares == (0.3125, 0.6875)
    assert made.mixture.source == FIT.fit


@pytest.mark.parametrize(
    "error",
    [
        "log_additive = 0.2",
        "additive = 0.3, log_additive = 0.2",
        "power = { coefficient = 0.2, exponent = 0.7 }, additive = 0.1",
        'deviation = { coefficient = 0.2, formula = "f/(f + 5)" }, additive = 0.1',
        "additive = 0.3, box_cox = 0.5",
    ],
)
def test_every_error_is_written_as_it_is_read(error: str) -> None:
    theta = Theta.of(parse_model(model().text.replace("proportional = 0.2", error), "made.toml"))
    sizes = {name: 0.123 for name in theta.names if name.startswith("error.")}
    made = fitted_model(theta, theta.population(sizes), None, FIT, "made_fit")
    assert made.outputs[0].error.additive in (0.0, 0.123)
    assert Population.of(made).errors[0].kind == theta.start.errors[0].kind
    assert Theta.of(made).natural_of(Population.of(made)).tolist()[-len(sizes) :] == [0.123] * len(sizes)


def test_what_else_makes_the_law_of_an_error_is_written_as_it_is_read() -> None:
    error = "power = { coefficient = 0.2, exponent = 0.7 }, df = 5, outliers = { share = 0.1, widening = 6 }"
    theta = Theta.of(parse_model(model().text.replace("proportional = 0.2", error), "made.toml"))
    said = {"exponent": -0.3, "df": 7.5, "outlier_share": 0.04, "outlier_widening": 3.5}
    found = theta.population({f"error.plasma.{name}": value for name, value in said.items()})
    made = fitted_model(theta, found, None, FIT, "made_fit")
    assert made.outputs[0].error == replace(found.errors[0], source=FIT.fit)
    close = parse_model(
        model().text.replace("proportional = 0.2", "additive = 1, replicate_correlation = 0.4"), "m.toml"
    )
    theta = Theta.of(close)
    found = theta.population({"error.plasma.replicate_correlation": 0.66})
    assert fitted_model(theta, found, None, FIT, "m_fit").outputs[0].error.replicate_correlation == 0.66


def test_the_shape_of_an_effect_is_written_as_it_is_read() -> None:
    theta = Theta.of(skewed())
    made = fitted_model(theta, theta.population({"shape.b": -0.6}), None, FIT, "made_fit")
    assert made.parameters[1].shape == -0.6


def test_the_dispersion_of_counts_is_written_as_it_is_read() -> None:
    theta = Theta.of(COUNTED)
    made = fitted_model(theta, theta.population({"error.lesions.dispersion": 0.31}), None, FIT, "made_fit")
    assert next(output for output in made.outputs if output.name == "lesions").error.dispersion == 0.31


def test_any_library_model_is_written_as_the_same_content() -> None:
    for name in library_ids():
        content = tomllib.loads(load_model(name).text)
        assert tomllib.loads(as_toml(content)) == content
    assert (
        parse_model(as_toml(tomllib.loads(toys.ABSORPTION)), "toy.toml").hash == parse_model(toys.ABSORPTION, "t").hash
    )
