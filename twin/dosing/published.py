"""What published rules say of a dose, beside what is advised, and why the two differ.

The rules are data with their sources (``published.toml``): starting doses by genotype, Calvert's formula, and dosing of
5-fluorouracil by the last measured exposure. They change no advice.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from twin.clock import HOUR_MS
from twin.dosing.advice import Advice
from twin.dosing.decision import Decision
from twin.dosing.protocol import Protocol
from twin.model.spec import Model
from twin.names import shown
from twin.observation.kinds import kind_of
from twin.patient.accounts.component import Component
from twin.patient.averaged import AveragedTwin
from twin.patient.twin import PatientTwin
from twin.units import convert
from twin.writing import number

ALIKE = 0.05
"""Doses within this of each other are called alike (assumed: about a vial or a step of a syringe)."""


class UnknownGenotype(ValueError):
    """A genotype that no rule here knows; the message has the mend."""


Said = tuple[Mapping[str, Any], float, float]
"""A rule, and mg of the whole course from and to which it says."""


@dataclass(frozen=True)
class Published:
    """What a rule says: mg from ``low`` to ``high``, where that was published, and how it compares with the advice."""

    rule: str
    low: float
    high: float
    source: str
    compared: str


def beside(twin: PatientTwin | AveragedTwin, advice: Advice, genotypes: Mapping[str, str]) -> tuple[Published, ...]:
    """What published rules say of the dose that was advised on.

    Args:
        twin: that was asked for the advice.
        genotypes: phenotype or activity score by gene, as known: ``{"DPYD": "1.5"}``; nothing is assumed of others.

    Raises:
        UnknownGenotype: no rule here knows the gene or the value.
    """
    component = twin.components(advice.millis)[0]
    found = [_published(*said, advice) for said in _by_rules(component, advice.decision, advice.protocol)]
    return (*_starting(advice, genotypes), *found)


def range_by_rule(component: Component, decided: Decision, protocol: Protocol) -> tuple[float, float] | None:
    """mg from and to which a rule says for the course, of those that follow what is known of a patient (not genotypes);
    ``None`` where none says anything."""
    return next(((low, high) for _, low, high in _by_rules(component, decided, protocol)), None)


@functools.cache
def rules() -> Mapping[str, Any]:
    """The rules as the file has them."""
    return tomllib.loads(files("twin").joinpath("dosing/published.toml").read_text(encoding="utf-8"))


def _starting(advice: Advice, genotypes: Mapping[str, str]) -> Iterable[Published]:
    known = {rule["gene"]: rule for rule in rules()["starting"]}
    for gene, value in genotypes.items():
        if gene not in known:
            raise UnknownGenotype(f"genotype {shown(gene)}: no rule here is of it; known are {', '.join(known)}")
        rule = known[gene]
        shares = {key: share for key, share in rule.items() if isinstance(share, list) and key != "drugs"}
        if value not in shares:
            raise UnknownGenotype(
                f"genotype {gene}={shown(value)}: the rule has {', '.join(shares)}; write one of them"
            )
        if advice.decision.drug in rule["drugs"]:
            low, high = (share * advice.planned.amount for share in shares[value])
            yield _published(rule, low, high, advice)


def _by_rules(component: Component, decided: Decision, protocol: Protocol) -> Iterable[Said]:
    yield from _calvert(component, decided, protocol)
    yield from _proportional(component, decided, protocol)


def _calvert(component: Component, decided: Decision, protocol: Protocol) -> Iterable[Said]:
    rule, target = rules()["calvert"], protocol.target_of(component.trunk.kernel.model)
    rate = _cockcroft_gault(component)
    if decided.drug in rule["drugs"] and rate is not None and target is not None and target.low is not None:
        limits = (target.low, target.high or target.low)
        ends = [convert(limit, target.unit, "mg.h/L") * 60.0 / 1000.0 for limit in limits]  # mg.min/mL
        low, high = (auc * (rate + rule["nonrenal"]) for auc in ends)
        yield rule, low, high


def _cockcroft_gault(component: Component) -> float | None:
    """mL/min, (140 - age) weight / (0.818 creatinine in umol/L), times 0.85 for women; ``None`` where it is unknown."""
    model, row = component.trunk.kernel.model, component.timeline.covariates_at(component.millis)
    known = {covariate.name: float(row[i]) for i, covariate in enumerate(model.covariates)}
    if not {"AGE", "WT", "FEMALE", "creatinine"} <= known.keys() or known["creatinine"] <= 0.0:
        return None
    sex = 0.85 if known["FEMALE"] > 0.5 else 1.0
    return (140.0 - known["AGE"]) * known["WT"] / (0.818 * known["creatinine"]) * sex


def _proportional(component: Component, decided: Decision, protocol: Protocol) -> Iterable[Said]:
    model, rule = component.trunk.kernel.model, rules()["proportional"]
    target = protocol.target_of(model)
    if decided.drug not in rule["drugs"] or target is None or target.low is None or target.high is None:
        return
    last = _last_exposure(component, model, decided.drug)
    if last is not None and decided.what == "next dose":
        given, auc = last
        yield rule, given * target.low / auc, given * target.high / auc


def _last_exposure(component: Component, model: Model, drug: str) -> tuple[float, float] | None:
    """mg of the last infusion of which a level was measured, and that level times its length (mg.h/L)."""
    delivered = component.timeline.delivered[drug]
    for observation in reversed(component.timeline.observations):
        output = model.outputs[observation.output]
        if not output.name.startswith(drug) or kind_of(output).discrete or observation.value <= 0.0:
            continue
        for start, end in delivered.spans():
            if start + HOUR_MS < observation.millis <= end <= component.millis:
                level = convert(observation.value, output.unit, "mg/L")
                return delivered.amount(start, end), level * (end - start) / HOUR_MS
    return None


def _published(rule: Mapping[str, Any], low: float, high: float, advice: Advice) -> Published:
    advised = advice.advised.amount
    said = f"{number(low, 4)} mg" if low == high else f"{number(low, 4)} to {number(high, 4)} mg"
    if low * (1.0 - ALIKE) <= advised <= high * (1.0 + ALIKE):
        compared = f"{said}, as advised"
    else:
        nearest = low if advised < low else high
        more = "more" if nearest > advised else "less"
        compared = f"{said}, {number(abs(nearest - advised), 3)} mg {more} than advised: {rule['why']}"
    return Published(rule["id"], low, high, rule["source"], compared)
