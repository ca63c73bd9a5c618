"""nlmixr2 model functions."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.models.carrying import Carried, carry
from connectors.models.source import SourceError
from tests.connectors.models.courses import outputs
from tests.connectors.models.streams import with_

MODEL = """one.cmt <- function() {
  ini({
    tka <- 0.45  # log of the absorption rate
    tcl <- log(c(0, 2.7, 100)) ; label("clearance (L/h), 'apparent'")
    tv <- fix(3.45)
    wt.cl <- 0.75
    eta.ka ~ 0.6
    eta.cl + eta.v ~ c(0.3,
                       0.05, 0.1)
    add.sd <- c(0, 0.7)
    prop.sd <- 0.1
  })
  model({
    ka <- exp(tka + eta.ka)
    cl <- exp(tcl + eta.cl)*(WT/70)^wt.cl
    v <- exp(tv + eta.v)
    d/dt(depot) = -ka * depot
    d/dt(center) = ka * depot - cl / v * center
    f(depot) <- 0.9
    cp = center / v
    cp ~ add(add.sd) + prop(prop.sd)
  })
}
"""


def read(text: str) -> Carried:
    return carry(text, "one.R", drug="aspirin")


def expected(t: np.ndarray) -> np.ndarray:
    ka, v = np.exp(0.45), np.exp(3.45)
    k = 2.7 / v
    return 90 / v * ka / (ka - k) * (np.exp(-k * t) - np.exp(-ka * t))


def test_logarithms_of_parameters_become_parameters() -> None:
    found = read(MODEL)
    times = [0.5, 3.0, 24.0]
    np.testing.assert_allclose(outputs(found.model, times)[:, 0], expected(np.array(times)), rtol=1e-7)
    values = {p.name: p.value for p in found.model.parameters}
    assert values["cl"] == pytest.approx(2.7)
    assert found.model.eta_names == ("ka", "cl", "v")
    np.testing.assert_allclose(found.model.omega, [[0.6, 0, 0], [0, 0.3, 0.05], [0, 0.05, 0.1]])
    error = found.model.outputs[0].error
    assert (error.kind, error.additive, error.proportional) == ("combined", 0.7, 0.1)


@pytest.mark.parametrize(
    ("said", "values", "fixed"),
    [
        ("pow(prop.sd, pw)", "pw <- 0.6", []),
        ("add(add.sd) + pow(prop.sd, pw)", "pw <- fix(0.6)", ["exponent"]),
        ("pow(prop.sd, 0.6)", "", ["exponent"]),
        ("prop(prop.sd) + t(nu)", "nu <- fix(5)", ["df"]),
    ],
)
def test_numbers_of_an_error_beside_its_sizes_are_read(said: str, values: str, fixed: list[str]) -> None:
    text = MODEL.replace("prop.sd <- 0.1\n", f"prop.sd <- 0.1\n    {values}\n")
    found = read(text.replace("add(add.sd) + prop(prop.sd)", said)).model
    error = found.outputs[0].error
    assert error.proportional == 0.1
    assert error.additive == (0.7 if "add" in said else 0.0)
    assert (error.exponent, error.df) == ((0.6, None) if "pow" in said else (1.0, 5.0))
    name = f"error.{found.outputs[0].name}."
    assert [one.removeprefix(name) for one in found.fixed if one.startswith("error.")] == fixed


def test_lincmt_is_built_from_the_names_of_its_parameters() -> None:
    start, end = MODEL.index("    d/dt(depot)"), MODEL.index("    cp ~")
    text = MODEL[:start] + "    linCmt() ~ prop(prop.sd)\n" + MODEL[end:].split("\n", 1)[1]
    found = read(text)
    got = outputs(found.model, [0.5, 3.0])[:, 0]
    np.testing.assert_allclose(got, expected(np.array([0.5, 3.0])) / 0.9, rtol=1e-7)
    assert found.model.outputs[0].name == "cp"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("0.05, 0.1)", "0.1)", 8, "lower triangle"),
        ("cp ~ add(add.sd) + prop(prop.sd)", "cp ~ dpois(add.sd)", 21, "no error that is read"),
        ("tka <- 0.45", "tka <- much", 3, "no number"),
        ("cp = center / v", "cp = center / / v", 20, "not a formula"),
        ("model({", "modell({", None, "language"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(old: str, new: str, line: int | None, says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        read(with_(MODEL, (old, new)))
    assert line is None or caught.value.line == line


def test_what_is_said_of_a_value_beside_it_is_nothing_that_is_lost() -> None:
    assert not [lost for lost in read(MODEL).lost if "passed over" in lost.what]
