"""Relations as effects in a model file: the text of the model, with factors in the expressions of its parameters.

A covariate whose reference no patient comes near, as 70 kg in a ward of newborns, gets the centre as its reference:
a relation says nothing of where there were no patients, and a typical patient must be one of those it was found in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from twin.covariates.characteristics import Characteristic, CovariateError, known
from twin.covariates.relations import Relation, coefficients, factor
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.results.written import as_toml

UNFITTED = "no effect: what a search begins with"
"""Source of a coefficient that was not estimated yet."""


def with_relations(
    model: Model,
    relations: Sequence[Relation],
    described: Mapping[str, Characteristic],
    name: str | None = None,
) -> Model:
    """The model with these effects besides its own, all of them 0, as a text that can be fitted (`Model.text`).

    Raises:
        CovariateError: a parameter or covariate that is not there, or a name that is taken.
        ModelError: the effects make no model.
    """
    content = tomllib.loads(model.text)
    content["id"] = model.id if name is None else name
    for relation in relations:
        _write(content, relation, of(relation, model, described))
    for each in dict.fromkeys(relation.covariate for relation in relations):
        bring_near(content["covariates"][each], described[each])
        say_studied(content["covariates"][each], described[each].low, described[each].high)
    return parse_model(as_toml(content), f"{content['id']}.toml")


def of(relation: Relation, model: Model, described: Mapping[str, Characteristic]) -> Characteristic:
    """The characteristic of a relation.

    Raises:
        CovariateError: its parameter or covariate is none of the model's.
    """
    parameters = [parameter.name for parameter in model.parameters]
    if relation.parameter not in parameters:
        raise CovariateError(f"{relation}: {relation.parameter!r} is no parameter; there are {', '.join(parameters)}")
    if relation.covariate not in described:
        said = known(described, model)
        raise CovariateError(f"{relation}: {relation.covariate!r} is no covariate of {model.id}; {said}")
    return described[relation.covariate]


def _write(content: dict[str, Any], relation: Relation, characteristic: Characteristic) -> None:
    table = content["parameters"][relation.parameter]
    before = table.get("expression", relation.parameter)
    plain = before.replace("_", "").isalnum()
    table["expression"] = f"{before if plain else f'({before})'}*{factor(relation, characteristic)}"
    taken = {*content["parameters"], *content.get("derived", ()), *content["covariates"], *content["states"]}
    for each in coefficients(relation, characteristic):
        if each.name in taken | {*content.get("terms", ())}:
            raise CovariateError(
                f"{relation}: the name {each.name} of its coefficient is taken; rename that in the model"
            )
        content["parameters"][each.name] = {
            "value": 0.0,
            "unit": each.unit,
            "distribution": "normal",
            "assumed": UNFITTED,
        }


def bring_near(table: dict[str, Any], of: Characteristic) -> None:
    """Give a covariate's table the centre as its reference, where no patient comes near the one that it has."""
    if of.low <= table["reference"] <= of.high and (not of.levels or table["reference"] in of.levels):
        return
    table["reference"] = of.centre
    table["note"] = (
        f"{table.get('note', '')}; reference: centre of the patients that effects were estimated from".lstrip("; ")
    )


def say_studied(table: dict[str, Any], low: float, high: float) -> None:
    """Say in a covariate's table from which patients its effects were learnt: those whom all its effects are of, where
    there are any."""
    before = table.get("studied", {"low": low, "high": high})
    common = max(low, before["low"]), min(high, before["high"])
    if common[0] < common[1] and common[0] <= table["reference"] <= common[1]:
        low, high = common
    if low < high:
        table["studied"] = {"low": low, "high": high}
