"""Counts and squares of residuals weigh a particle for another size of the error as the likelihood itself does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin.model.formula import parse_expression
from twin.model.measured.error import ErrorSpec, OutlierSpec
from twin.model.measured.vital import VitalSpec
from twin.model.spec import OutputSpec
from twin.observation.likelihood import log_likelihood
from twin.observation.observation import Observation
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
    found = scatter(one, seen, ROWS)
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
    found = scatter(one, seen, ROWS)
    assert not found.exact
    for factor in (0.97, 1.03):
        weighed = -found.count * np.log(factor) - 0.5 * found.squares * (factor**-2 - 1)
        assert weighed == pytest.approx(gain(one, seen, factor), abs=3e-4)


def test_what_has_no_size_of_its_own_is_not_sized() -> None:
    assert sized(output(error()))
    for law in ("none", "poisson", "negative_binomial"):
        assert not sized(output(error(law)))
    assert not sized(replace(output(error()), vital=VitalSpec("heart_rate", 1.0, 2.0, 4.0, None, None)))
    assert size_of(error()) == 0.2
    assert size_of(error("additive", proportional=0.0)) == 0.1
