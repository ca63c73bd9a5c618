"""Where formulas bend in what patients differ in."""

from __future__ import annotations

import pytest

from tests.twin import toys
from twin.modelfile.library import load_model
from twin.population.modes.bends import kinks_of

X = f'[covariates.X]\nunit = "1"\nreference = 0\n{toys.SOURCE}\n'


def bent(output: str, *, states: str = "input(toxin) - k*A", own: str = "3 1 0.1") -> tuple[str, ...]:
    parameters = {"k": "0.1 1/h", "Y": "8 1 0.1", "XM": own, "A0": "1 mg"}
    return kinks_of(toys.made(parameters, {"A": f"mg: {states}"}, {"crop": f"1: {output}"}, extra=X))


@pytest.mark.parametrize(
    ("output", "kinks"),
    [
        ("Y + min(X - XM, 0)", ("min(X - XM, 0)",)),
        ("Y*where(X < XM, X/XM, 1)", ("where(X < XM, X / XM, 1)",)),
        ("abs(X - XM) + max(X - XM, 0) + max(X - XM, 0)", ("max(X - XM, 0)", "abs(X - XM)")),
        ("Y + where(X < 2, XM, 1)", ()),
        ("Y + XM + max(X, 1)", ()),
        ("Y + XM*max(A/A0 - XM, 0)", ()),
    ],
)
def test_a_formula_bends_where_a_patients_own_number_passes_another(output: str, kinks: tuple[str, ...]) -> None:
    assert bent(output) == kinks


def test_a_number_that_nobody_differs_in_makes_no_kink_in_effects() -> None:
    assert bent("Y + min(X - XM, 0)", own="3 1") == ()


def test_it_is_seen_through_covariate_effects_and_derived_values() -> None:
    model = toys.made(
        {"k": "0.1 1/h", "Y": "8 1 0.1", "XM": "3 1 0.1 | min(XM, Y)"},
        {"A": "mg: input(toxin) - k*A"},
        {"crop": "1: max(turn, X)"},
        extra=X + '[derived.turn]\nunit = "1"\nexpression = "2*XM"\n',
    )
    assert kinks_of(model) == ("max(turn, X)", "min(XM, Y)")


def test_the_usual_model_of_the_library_has_none() -> None:
    assert kinks_of(load_model("docetaxel_ozawa2007")) == ()
