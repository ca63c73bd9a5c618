"""The vector of a fit and the numbers of a population are one another's inverse, and zeros stay zero."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from twin.model.spec import Model, ModelError
from twin.modelfile.reader import parse_model
from twin.population.theta import FitError, Theta
from twin.population.values import Population

PARAMETERS = {"a": "2 1/h 0.2", "b": "3 L 0.3", "c": "1 1/h 0.1", "d": "0.5 1", "e": "4 L"}


def model() -> Model:
    """Three effects, of which the first correlates with both others and these not with one another."""
    extra = "".join(
        f'[[correlations]]\nbetween = ["a", "{other}"]\ncovariance = {covariance}\n{toys.SOURCE}\n'
        for other, covariance in (("b", 0.05), ("c", 0.04))
    )
    return toys.made(PARAMETERS, {"A": "mg: -(a + c)*A*d"}, {"plasma": "mg/L: A/b*e/e"}, extra=extra)


def test_there_and_back_is_where_it_began() -> None:
    theta = Theta.of(model())
    vector = theta.pack(theta.start)
    again = theta.unpack(vector)
    np.testing.assert_allclose(again.omega, theta.start.omega, atol=1e-15)
    np.testing.assert_allclose(again.place, theta.start.place)
    np.testing.assert_allclose(theta.pack(again), vector)
    assert again.errors == theta.start.errors
    named = dict(zip(theta.names, theta.natural(vector), strict=True))
    assert named["a"] == pytest.approx(2.0)
    assert named["omega.a.b"] == pytest.approx(0.05)
    assert named["error.plasma.proportional"] == pytest.approx(0.2)


def test_a_covariance_that_is_not_declared_stays_zero_wherever_the_vector_goes() -> None:
    theta = Theta.of(model())
    assert "omega.b.c" not in theta.names
    rng = np.random.default_rng(1)
    for _ in range(20):
        omega = theta.unpack(theta.pack(theta.start) + rng.normal(0, 0.7, theta.size)).omega
        assert omega[1, 2] == omega[2, 1] == 0.0
        assert np.linalg.eigvalsh(omega).min() > 0
        np.testing.assert_array_equal(omega, omega.T)


def test_slopes_are_what_differences_say() -> None:
    theta = Theta.of(model())
    vector = theta.pack(theta.start)
    slopes, h = theta.natural_slopes(vector), 1e-6
    for at in range(theta.size):
        step = np.eye(theta.size)[at] * h
        difference = (theta.natural(vector + step) - theta.natural(vector - step)) / (2 * h)
        np.testing.assert_allclose(slopes[:, at], difference, atol=1e-8)


def test_numbers_go_into_a_model_and_come_out_of_it() -> None:
    theta = Theta.of(model())
    moved = theta.population({"a": 2.5, "omega.a": 0.25, "error.plasma.proportional": 0.3})
    made = moved.into(theta.model)
    again = Population.of(made)
    np.testing.assert_allclose(again.place, moved.place)
    np.testing.assert_array_equal(again.omega, moved.omega)
    assert made.parameters[0].value == pytest.approx(2.5)
    assert made.outputs[0].error.proportional == 0.3


def test_what_is_fixed_is_not_in_the_vector_and_a_block_is_fixed_whole() -> None:
    free = Theta.of(model(), fixed=("d", "omega.a.b"))
    assert free.names == ("a", "b", "c", "e", "error.plasma.proportional")


def test_scales_are_those_of_the_parameters() -> None:
    text = model().text.replace(
        '[parameters.d]\nvalue = 0.5\nunit = "1"', '[parameters.d]\nvalue = 0.5\nunit = "1"\ndistribution = "logit"'
    )
    theta = Theta.of(parse_model(text, "made.toml"))
    vector = theta.pack(theta.start)
    assert vector[theta.names.index("d")] == pytest.approx(0.0)
    assert vector[theta.names.index("e")] == pytest.approx(np.log(4.0))
    # A plain number, as the exponent of a covariate is, may become negative.
    plain = Theta.of(model())
    assert plain.pack(plain.start)[plain.names.index("d")] == 0.5


def skewed() -> Model:
    """Of one parameter effects are Box-Cox."""
    return parse_model(
        model().text.replace("iiv = 0.3\n", 'iiv = 0.3\ndistribution = "box-cox"\nshape = 0.4\n', 1), "made.toml"
    )


def test_the_shape_of_an_effect_is_a_number_that_may_be_anything() -> None:
    theta = Theta.of(skewed())
    assert theta.names[5] == "shape.b"
    moved = theta.population({"shape.b": -0.7, "b": 3.5})
    vector = theta.pack(moved)
    assert dict(zip(theta.names, theta.natural(vector), strict=True))["shape.b"] == pytest.approx(-0.7)
    np.testing.assert_allclose(theta.natural_slopes(vector)[5, 5], 1.0)
    made = theta.unpack(vector).into(theta.model)
    assert made.parameters[1].shape == pytest.approx(-0.7)
    assert made.parameters[1].value == pytest.approx(3.5)
    assert "shape.b" not in Theta.of(skewed(), fixed=("shape.b",)).names


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(FitError, match="fixed: 'CLx' is no number of made; it has a, b, c"):
        Theta.of(model(), fixed=("CLx",))
    with pytest.raises(FitError, match="'x' is no free number of made"):
        Theta.of(model()).population({"x": 1.0})


def test_a_fit_of_nothing_is_refused() -> None:
    theta = Theta.of(model())
    with pytest.raises(FitError, match="leave one free"):
        Theta.of(model(), fixed=theta.names)


def test_what_the_file_fixes_is_not_free_and_no_belief_hangs_on_it() -> None:
    free = model()
    held = parse_model(free.text + '\n[fit]\nfixed = ["d", "omega.a"]\n', "held.toml")
    assert held.hash == free.hash
    names = Theta.of(held, ["e"]).names
    assert not {"d", "e", "omega.a", "omega.a.b", "omega.b"} & {*names}
    assert {"a", "b", "c"} <= {*names}
    assert "omega.a" in Theta.whole(held).names
    with pytest.raises(FitError, match="'q' is no number"):
        Theta.of(parse_model(free.text + '\n[fit]\nfixed = ["q"]\n', "held.toml"))
    with pytest.raises(ModelError, match=r"fit\.fixed: is missing; list what stays"):
        parse_model(free.text + "\n[fit]\n", "held.toml")
