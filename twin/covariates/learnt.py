"""A network as effects in a model file: formulas of covariates with its weights as numbers, which any twin can use.

Weights within formulas stay as they are when the model is fitted again: typical values and Omega go with them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence

from twin.covariates.characteristics import Characteristic, CovariateError
from twin.covariates.effects import bring_near, say_studied
from twin.covariates.network import Network
from twin.model.formula import LONGEST
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.results.written import as_toml


def able(model: Model) -> list[str]:
    """Parameters that a network can shift: those with log-normal or normal random effects."""
    usual = ("log-normal", "normal")
    return [each.name for each in model.parameters if each.iiv is not None and each.distribution in usual]


def check_parameters(model: Model, parameters: Sequence[str]) -> None:
    """Refuse what cannot be shifted.

    Raises:
        CovariateError: naming the first.
    """
    can = able(model)
    for name in parameters:
        if name not in can:
            raise CovariateError(
                f"parameters: {name!r} has no log-normal or normal random effects; what can be learnt is of"
                f" {', '.join(can) or 'none'}"
            )


def with_network(
    model: Model, network: Network, described: Mapping[str, Characteristic], name: str, said: str
) -> Model:
    """The model with what was learnt, and ``said`` among its sources.

    Raises:
        CovariateError: the formulas are too long.
        ModelError: they make no model.
    """
    content = tomllib.loads(model.text)
    content["id"] = name
    content["sources"] = [{"citation": said}, *content["sources"]]
    spec = {each.name: each for each in model.parameters}
    for parameter in network.parameters:
        table, shift = content["parameters"][parameter], network.formula(parameter)
        plain = spec[parameter].distribution == "normal"
        moved = f"({parameter} + ({shift}))" if plain else f"({parameter}*exp({shift}))"
        table["expression"] = re.sub(rf"\b{parameter}\b", moved, table.get("expression", parameter))
        if len(table["expression"]) > LONGEST:
            raise CovariateError(
                f"{parameter}: its formula would have {len(table['expression'])} characters, over {LONGEST}; name fewer"
                " covariates or hidden units"
            )
    for covariate in network.used:
        j = network.covariates.index(covariate)
        bring_near(content["covariates"][covariate], described[covariate])
        table = content["covariates"][covariate]
        say_studied(table, float(network.low[j]), float(network.high[j]))
        learnt = f"effects learnt from {network.low[j]:g} to {network.high[j]:g}, and held at these ends beyond them"
        table["note"] = f"{table.get('note', '')}; {learnt}".lstrip("; ")
    return parse_model(as_toml(content), f"{name}.toml")


def widened(model: Model, by: Mapping[str, float]) -> Model:
    """The model with variances of random effects greater ``by`` what is not certain of the shift of each parameter."""
    content = tomllib.loads(model.text)
    for name, variance in by.items():
        table = content["parameters"][name]
        table["iiv"] += float(f"{variance:.6g}")
        table["note"] = f"{table.get('note', '')}; iiv has {variance:.3g} of an uncertain learnt effect in it".lstrip(
            "; "
        )
    return parse_model(as_toml(content), f"{model.id}.toml")
