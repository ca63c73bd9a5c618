"""Effects that the equations of a class do not read are not met by data of it, and formulas are folded as they hold."""

from __future__ import annotations

import ast

from tests.twin import toys
from tests.twin.population.mixture.mixtures import CLASSES, eliminated, measured, own_levels
from twin.modelfile.reader import parse_model
from twin.population.means.met import in_class, met

VALUES = {"1": (2.0, 2.2), "2": (5.0,)}


def test_effects_of_a_class_are_met_in_that_class_alone() -> None:
    assert met(measured(own_levels(), VALUES)).tolist() == [[True, False], [False, True]] * 2
    assert met(measured(eliminated(), VALUES)).all()


def test_a_block_of_which_one_effect_is_read_is_met() -> None:
    listed = f'[[correlations]]\nbetween = ["low", "high"]\ncovariance = 0.1\n{toys.SOURCE}\n'
    model = parse_model(own_levels().text + listed, "made.toml")
    assert met(measured(model, VALUES)).all()


def test_what_a_class_reads_through_parameters_lags_and_occasions_is_met() -> None:
    made = toys.made(
        {
            "CL": "2 L/h 0.06|CL * where(SORT > 1, ratio, 1)",
            "ratio": "3 1 0.1",
            "V": "20 L 0.04",
            "late": "1 h 0.2",
            "later": "2 h 0.2",
        },
        {"A": "mg: input(toxin, lag=where(1 == SORT, late, later)) - CL/V*A"},
        {"plasma": "mg/L: where(A > 0, A/V, 0)"},
        extra=CLASSES,
    )
    text = made.text.replace("[parameters.later]\n", "[parameters.later]\niov = 0.01\n")
    text += f'[occasions]\ndrug = "toxin"\ngap = 12\n{toys.SOURCE}\n'
    found = met(measured(parse_model(text, "made.toml"), VALUES))
    names = parse_model(text, "made.toml").eta_names
    slow = dict(zip(names, found[0], strict=False))
    fast = dict(zip(names, found[1], strict=False))
    assert slow == {"CL": True, "ratio": False, "V": True, "late": True, "later": False}
    assert fast == {"CL": True, "ratio": True, "V": True, "late": False, "later": True}
    assert (found[0, len(names) :].any(), found[1, len(names) :].any()) == (False, True)


def test_conditions_on_other_things_stay_as_they_are() -> None:
    model = eliminated()
    formula = ast.parse("where(SORT == 1, where(CL > 1, where(SORT < 2, a, b), c), d) + where(SORT > CL, e, f)").body[0]
    assert isinstance(formula, ast.Expr)
    assert ast.unparse(in_class(formula.value, model, 1.0)) == "where(CL > 1, a, c) + where(SORT > CL, e, f)"
    assert ast.unparse(in_class(formula.value, model, 2.0)) == "d + where(SORT > CL, e, f)"
