"""Counts and squares of residuals weigh a particle for another size of the error as the likelihood itself does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.twin.observation import together
from twin.arrays import Floats
from twin.model.formula import parse_expression
from twin.model.measured.error import ErrorSpec, OutlierSpec
from twin.model.measured.vital import VitalSpec
from twin.model.spec import OutputSpec
from twin.observation.likelihood import log_likelihood, output_of
from twin.observation.observation import Observation, in_turn
from twin.observation.scatter import resized, scatter, size_of, sized

ROWS = np.array([[0.5, 1.0, 2.0, 4.0]])


def output(error: ErrorSpec) -> OutputSpec:
    return OutputSpec("level", "mg/L", parse_expression("1", ()), error, (), None, "continuous")


def error(kind: str = "combined", **changes: object) -> ErrorSpec:
    return replace(ErrorSpec(kind, 0.1, 0.2, None, None, None), **changes)  # type: ignore[arg-type]


def gain(one: OutputSpec, observation: Observation, factor: float) -> np.ndarray:
    other = replace(one, error=resized(one.error, factor))
    return log_likelihood(other, observation, ROWS) - log_likelihood(one, observation, ROWS)


@pytest.mark.parametrize(
    "law",
    [
        error(),
        error(combination="sd"),
        error("power", exponent=0.7),
        error("deviation", formula="f / (f + 5)"),
        error("log_additive", proportional=0.0),
        error("log_combined"),
        error("box_cox", proportional=0.0, box_cox=0.5),
    ],
    ids=lambda law: law.kind,
)
def test_of_normal_values_they_say_all(law: ErrorSpec) -> None:
    one, seen = output(law), Observation(0, "e", 0, 1.3)
    (found,) = scatter(one, seen, ROWS)
    assert found.exact
    for factor in (0.5, 1.7):
        weighed = -found.count * np.log(factor) - 0.5 * found.squares * (factor**-2 - 1)
        assert weighed == pytest.approx(gain(one, seen, factor), rel=1e-9)


@pytest.mark.parametrize(
    ("law", "seen"),
    [
        (error(), Observation(0, "e", 0, 0.0, below=1.0)),
        (error(), Observation(0, "e", 0, 0.0, above=1.0)),
        (error(df=4.0), Observation(0, "e", 0, 1.3)),
        (error(outliers=OutlierSpec(0.1, 3.0)), Observation(0, "e", 0, 1.3)),
    ],
    ids=["below", "above", "Student-t", "outliers"],
)
def test_of_others_they_say_it_nearby(law: ErrorSpec, seen: Observation) -> None:
    one = output(law)
    (found,) = scatter(one, seen, ROWS)
    assert not found.exact
    for factor in (0.97, 1.03):
        weighed = -found.count * np.log(factor) - 0.5 * found.squares * (factor**-2 - 1)
        assert weighed == pytest.approx(gain(one, seen, factor), abs=3e-4)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_values_measured_together_say_of_every_size_what_their_joint_density_does(order: tuple[int, ...]) -> None:
    """The first two derivatives by each, added up along the values, whichever came first."""
    model = together.model()
    errors, values = [one.error for one in model.outputs], np.array([4.0, 23.0, 26.0])
    shown = np.array([[5.0, 4.2], [20.0, 24.0], [25.0, 25.5]])
    seen = in_turn([Observation(0, str(i), i, values[i]) for i in order], errors)
    count, squares = np.zeros((3, 2)), np.zeros((3, 2))
    for o in seen:
        for number, one in zip(o.reads, scatter(output_of(model.outputs, o), o, shown[list(o.reads)]), strict=True):
            count[number] += one.count
            squares[number] += one.squares
            assert one.exact == (o is seen[0])
    h, away = 1e-3, values[:, None] - shown

    def density(log_factor: Floats) -> Floats:
        scale = together.SD * np.exp(log_factor)
        return np.asarray(stats.multivariate_normal(cov=together.CORRELATION * np.outer(scale, scale)).logpdf(away.T))

    for i, step in enumerate(h * np.eye(3)):
        low, here, high = density(-step), density(0.0 * step), density(step)
        np.testing.assert_allclose(squares[i] - count[i], (high - low) / (2 * h), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(-2.0 * squares[i], (high - 2 * here + low) / h**2, rtol=1e-4, atol=1e-4)


def test_a_value_that_is_as_good_as_impossible_says_nothing_of_other_sizes() -> None:
    model = together.model()
    errors = [one.error for one in model.outputs]
    _, second = in_turn([Observation(0, "a", 0, 5000.0), Observation(0, "b", 1, 21.0)], errors)
    own, other = scatter(output_of(model.outputs, second), second, np.array([[20.0], [5.0]]))
    assert (own.count[0], own.squares[0]) == (1.0, 0.25)
    assert (other.count[0], other.squares[0]) == (0.0, 0.0)


def test_what_has_no_size_of_its_own_is_not_sized() -> None:
    assert sized(output(error()))
    for law in ("none", "poisson", "negative_binomial"):
        assert not sized(output(error(law)))
    assert not sized(replace(output(error()), vital=VitalSpec("heart_rate", 1.0, None, None)))
    assert size_of(error()) == 0.2
    assert size_of(error("additive", proportional=0.0)) == 0.1
