"""What published rules say of a dose, beside what is advised, and why the two differ.

The rules are data with their sources (``published.toml``): doses by genotype, Calvert's formula, 5-fluorouracil by the
last measured exposure, and what is left of a cumulative exposure of busulfan. They change no advice.
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
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
from twin.wording import Said, Wording, amount, bare, say
from twin.writing import number

ALIKE = 0.05
"""Doses within this of each other are called alike (assumed: about a vial or a step of a syringe)."""


class UnknownGenotype(ValueError):
    """A genotype that no rule here knows; the message has the mend."""


@dataclass(frozen=True)
class Spoken:
    """What a rule says that speaks of no dose of the drug that was advised on, in words."""

    rule: str
    said: Said
    source: str


Range = tuple[Mapping[str, Any], float, float]
"""A rule, and mg of the whole course from and to which it says."""


@dataclass(frozen=True)
class Published:
    """What a rule says: mg from ``low`` to ``high``, where that was published, and how it compares with the advice."""

    rule: str
    low: float
    high: float
    source: str
    compared: Said


def beside(twin: PatientTwin | AveragedTwin, advice: Advice, genotypes: Mapping[str, str]) -> tuple[Published, ...]:
    """What published rules say of the dose that was advised on.

    Args:
        twin: that was asked for the advice.
        genotypes: phenotype or activity score by gene, as known: ``{"DPYD": "1.5"}``; nothing is assumed of others.

    Raises:
        UnknownGenotype: no rule here knows the gene or the value.
    """
    return beside_on(twin.components(advice.millis)[0], advice, genotypes)


def beside_on(component: Component, advice: Advice, genotypes: Mapping[str, str]) -> tuple[Published, ...]:
    """The same for a component of the belief that was asked."""
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
    for rule, share in _by_genotype("starting", genotypes):
        if advice.decision.drug in rule["drugs"]:
            low, high = (part * advice.planned.amount for part in share)
            yield _published(rule, low, high, advice)


def daily(drug: str, genotypes: Mapping[str, str]) -> tuple[Spoken, ...]:
    """What rules by genotype say of a drug that is given every day, whatever is planned.

    Raises:
        UnknownGenotype: no rule here knows the gene or the value.
    """
    return tuple(
        Spoken(rule["id"], _a_day(rule, drug, float(mg)), rule["source"])
        for rule, mg in _by_genotype("daily", genotypes)
        if drug in rule["drugs"]
    )


def _a_day(rule: Mapping[str, Any], drug: str, mg: float) -> Said:
    return say(
        "published.daily",
        "{drug} {dose} a day for {gene}; {note}",
        drug=drug,
        dose=amount(number(mg), "mg"),
        gene=rule["gene"],
        note=_of_rule(rule, "note"),
    )


def _by_genotype(kind: str, genotypes: Mapping[str, str]) -> Iterable[tuple[Mapping[str, Any], Any]]:
    """Of each genotype that a rule of this kind is of, the rule and what it says of the value."""
    known = {rule["gene"]: rule for each in ("starting", "daily") for rule in rules()[each]}
    for gene, value in genotypes.items():
        if gene not in known:
            raise UnknownGenotype(
                say(
                    "genotype.unknown",
                    "genotype {gene}: no rule here is of it; known are {known}",
                    gene=shown(gene),
                    known=", ".join(known),
                )
            )
        rule = known[gene]
        said = {key: each for key, each in rule.items() if not isinstance(each, str) and key != "drugs"}
        if value not in said:
            raise UnknownGenotype(
                say(
                    "genotype.value",
                    "genotype {gene}={value}: the rule has {known}; write one of them",
                    gene=gene,
                    value=shown(value),
                    known=", ".join(said),
                )
            )
        if rule in rules()[kind]:
            yield rule, said[value]


def _by_rules(component: Component, decided: Decision, protocol: Protocol) -> Iterable[Range]:
    yield from _calvert(component, decided, protocol)
    yield from _proportional(component, decided, protocol)
    yield from _remaining(component, decided, protocol)


def _calvert(component: Component, decided: Decision, protocol: Protocol) -> Iterable[Range]:
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


def _proportional(component: Component, decided: Decision, protocol: Protocol) -> Iterable[Range]:
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


def _remaining(component: Component, decided: Decision, protocol: Protocol) -> Iterable[Range]:
    """What is left of a cumulative exposure, by the clearance of the last dose that was measured."""
    model, rule = component.trunk.kernel.model, rules()["cumulative"]
    target, drug = protocol.target_of(model), decided.drug
    if drug not in rule["drugs"] or target is None or target.low is None or target.high is None or not decided.begun:
        return
    measured = _measured_doses(component, model, drug, decided.since)
    clearances = [amount / auc for amount, auc in measured if auc is not None]
    if clearances and target.measure == "course":
        got = sum(amount / clearances[-1] if auc is None else auc for amount, auc in measured)
        ends = (convert(limit, target.unit, "mg.h/L") for limit in (target.low, target.high))
        low, high = (max(0.0, end - got) * clearances[-1] for end in ends)
        yield rule, low, high


def _measured_doses(component: Component, model: Model, drug: str, since: int) -> list[tuple[float, float | None]]:
    """Of each dose of a course that began at ``since`` (ms), mg and its AUC (mg.h/L) where levels tell it."""
    delivered, now = component.timeline.delivered[drug], component.millis
    spans = [(start, end) for start, end in delivered.spans() if since <= start and end <= now]
    found: list[tuple[float, float | None]] = []
    for (start, end), (following, _) in zip(spans, [*spans[1:], (now, now)], strict=True):
        levels = [
            ((one.millis - start) / HOUR_MS, convert(one.value, output.unit, "mg/L"))
            for one in component.timeline.observations
            if end <= one.millis <= following
            and (output := model.outputs[one.output]).name.startswith(drug)
            and not kind_of(output).discrete
            and one.value > 0.0
        ]
        found.append((delivered.amount(start, end), exposure_of_levels(levels)))
    return found


def exposure_of_levels(levels: Sequence[tuple[float, float]]) -> float | None:
    """AUC (mg.h/L) of a dose by its levels after the infusion, as (hours from its beginning, mg/L); ``None`` where they
    do not fall.

    A triangle up to the first level, logarithmic trapezoids between them, the tail by the slope from first to last.

    >>> round(exposure_of_levels([(2.0, 1.0), (4.0, 0.5)]), 3)
    3.885
    """
    if len(levels) < 2 or levels[-1][1] >= levels[0][1]:
        return None
    total = levels[0][0] * levels[0][1] / 2.0
    for (t, c), (later, level) in pairwise(levels):
        ratio = math.log(c / level)
        total += (later - t) * ((c - level) / ratio if abs(ratio) > 1e-9 else c)
    slope = math.log(levels[0][1] / levels[-1][1]) / (levels[-1][0] - levels[0][0])
    return total + levels[-1][1] / slope


def _published(rule: Mapping[str, Any], low: float, high: float, advice: Advice) -> Published:
    advised, dose = advice.advised.amount, _from_to(low, high)
    nearest = low if advised < low else high
    by, why = amount(number(abs(nearest - advised), 3), "mg"), _of_rule(rule, "why")
    if low * (1.0 - ALIKE) <= advised <= high * (1.0 + ALIKE):
        compared = say("published.alike", "{dose}, as advised", dose=dose)
    elif nearest > advised:
        compared = say("published.more", "{dose}, {by} more than advised: {why}", dose=dose, by=by, why=why)
    else:
        compared = say("published.less", "{dose}, {by} less than advised: {why}", dose=dose, by=by, why=why)
    return Published(rule["id"], low, high, rule["source"], compared)


def _from_to(low: float, high: float) -> Said:
    most = amount(number(high, 4), "mg")
    if low == high:
        return most
    return say("published.from_to", "{low} to {high}", low=bare(number(low, 4), "mg"), high=most)


def _of_rule(rule: Mapping[str, Any], field: str) -> Said:
    """A text of the rule's own (``why``, ``note``), that message files have by its field and id."""
    return Said(rule[field], Wording(f"published.{field}.{rule['id']}", {}))
