"""Relations become effects in a model file, and characteristics are told from the patients."""

from __future__ import annotations

import ast

import pytest

from tests.twin import toys
from twin.covariates.characteristics import Characteristic, CovariateError
from twin.covariates.effects import with_relations
from twin.covariates.relations import Relation
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

MODEL = parse_model(toys.ABSORPTION, "toy_absorption.toml")
WEIGHT = {"WT": Characteristic("WT", "kg", 1.3, 0.6, 3.6)}


def formula(model: Model, name: str) -> str:
    parameter = next(each for each in model.parameters if each.name == name)
    assert parameter.expression is not None
    return ast.unparse(parameter.expression)


def test_effects_stand_behind_what_the_model_says_already() -> None:
    relations = (Relation("CL", "WT", "linear"), Relation("V", "WT", "power"))
    made = with_relations(MODEL, relations, WEIGHT, "with_weight")
    assert made.id == "with_weight"
    assert formula(made, "CL") == "CL * (WT / 70) * (1 + CL_WT * (WT - 1.3))"
    assert formula(made, "V") == "V * (WT / 1.3) ** V_WT"
    values = {each.name: each for each in made.parameters}
    assert (values["CL_WT"].value, values["CL_WT"].unit, values["CL_WT"].distribution) == (0.0, "1/kg", "normal")
    assert parse_model(made.text, "again.toml").hash == made.hash


def test_a_reference_that_no_patient_comes_near_becomes_the_centre() -> None:
    made = with_relations(MODEL, (Relation("CL", "WT", "linear"),), WEIGHT)
    assert made.covariates[0].reference == 1.3
    adult = {"WT": Characteristic("WT", "kg", 80.0, 40.0, 120.0)}
    assert with_relations(MODEL, (Relation("CL", "WT", "linear"),), adult).covariates[0].reference == 70.0


def test_a_model_says_from_which_patients_all_effects_of_a_covariate_are() -> None:
    made = with_relations(MODEL, (Relation("CL", "WT", "linear"),), WEIGHT)
    low, high = WEIGHT["WT"].low, WEIGHT["WT"].high
    assert made.covariates[0].studied == (low, high)
    narrower = {"WT": Characteristic("WT", "kg", 1.3, (low + 1.3) / 2, high + 1.0)}
    assert with_relations(made, (Relation("V", "WT", "linear"),), narrower).covariates[0].studied == (
        (low + 1.3) / 2, high
    )  # fmt: skip
    others = {"WT": Characteristic("WT", "kg", 80.0, 40.0, 120.0)}
    assert with_relations(made, (Relation("V", "WT", "linear"),), others).covariates[0].studied == (40.0, 120.0)


@pytest.mark.parametrize(
    ("relation", "said"),
    [
        (Relation("Vx", "WT", "linear"), "'Vx' is no parameter; there are CL, V"),
        (Relation("CL", "AGE", "linear"), "'AGE' is no covariate of toy_absorption; it has WT"),
    ],
)
def test_relations_of_nothing_are_refused(relation: Relation, said: str) -> None:
    with pytest.raises(CovariateError, match=said):
        with_relations(MODEL, (relation,), WEIGHT)


def test_a_name_that_is_taken_is_not_taken_again() -> None:
    once = with_relations(MODEL, (Relation("V", "WT", "linear"),), WEIGHT)
    with pytest.raises(CovariateError, match="the name V_WT of its coefficient is taken"):
        with_relations(once, (Relation("V", "WT", "linear"),), WEIGHT)
