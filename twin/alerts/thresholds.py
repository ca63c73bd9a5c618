"""Thresholds that a ward sets otherwise: one TOML file, checked like a model file, that holds for all of a run.

    version = "2026-11 haematology"
    ctcae = "6.0"                       # which version of the criteria grades; 5.0 without it

    [[overrides]]
    rule = "delivery.overinfusion"
    drug = "fluorouracil"               # and 'protocol' and 'ward', each left out where it does not matter
    set = { raise_above = 0.15 }        # in the rule's own units
    assumed = "elastomeric pumps keep within 15 %"

An entry holds for the drugs, protocols and wards it names, by what the newest plan of a drug says of itself; of two
that hold, the later counts. Which thresholds judged an alert is told by their hash on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import cast

from twin.alerts.settings import RuleSettings, Threshold, changed
from twin.alerts.snapshot import Snapshot
from twin.model.measured.ctcae import CURRENT, VERSIONS, Version
from twin.model.table import Table
from twin.modelfile.reader import content_of
from twin.registry import nearest


@dataclass(frozen=True, slots=True)
class Override:
    """Numbers of one rule, for a drug, protocol and ward; ``""`` is any of them."""

    rule: str
    drug: str
    protocol: str
    ward: str
    numbers: tuple[tuple[str, Threshold], ...]

    def holds(self, drug: str, protocol: str, ward: str) -> bool:
        """Whether it is meant for these."""
        pairs = ((self.drug, drug), (self.protocol, protocol), (self.ward, ward))
        return all(wanted in ("", found) for wanted, found in pairs)


@dataclass(frozen=True)
class Thresholds:
    """What a ward sets otherwise; without anything, what the rules themselves say."""

    version: str = ""
    ctcae: Version = CURRENT
    overrides: tuple[Override, ...] = ()

    def of(self, rule: str, base: RuleSettings, drug: str = "", protocol: str = "", ward: str = "") -> RuleSettings:
        """A rule's settings for a drug, a protocol and a ward."""
        if not self.overrides:
            return base
        return self._resolved(rule, base, drug, protocol, ward)

    def at(self, rule: str, base: RuleSettings, snapshot: Snapshot, drug: str) -> RuleSettings:
        """A rule's settings for a drug of a patient, ``""`` for the drug under study."""
        if not self.overrides:
            return base
        named = drug or snapshot.drug
        ordered = snapshot.ordered.get(named)
        protocol, ward = ("", "") if ordered is None else ordered
        return self.of(rule, base, named, protocol, ward)

    def _resolved(self, rule: str, base: RuleSettings, drug: str, protocol: str, ward: str) -> RuleSettings:
        found: dict[str, Threshold] = {}
        for one in self.overrides:
            if one.rule == rule and one.holds(drug, protocol, ward):
                found.update(one.numbers)
        return changed(base, found) if found else base

    def hash_with(self, rules: Mapping[str, RuleSettings]) -> str:
        """16 hex digits over every number of every rule, what is set otherwise, and the version of the criteria."""
        numbers = [(rule, sorted(its.thresholds.items()), its.severity, its.latching) for rule, its in rules.items()]
        said = repr((numbers, self.version, self.ctcae, self.overrides))
        return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


DEFAULT = Thresholds()
"""What the rules themselves say."""


def read_thresholds(text: str, file: str, rules: Mapping[str, RuleSettings]) -> Thresholds:
    """Read thresholds from TOML text; ``file`` is only for messages, ``rules`` are those that there are.

    Raises:
        ModelError: naming file, key, what is wrong and how to mend it.
    """
    top = Table(file, "", content_of(text, file))
    version = top.text("version")
    ctcae = cast(Version, top.choice("ctcae", VERSIONS)) if top.has("ctcae") else CURRENT
    overrides = []
    seen: set[tuple[str, ...]] = set()
    for entry in top.listed("overrides"):
        rule = entry.text("rule")
        if rule not in rules:
            raise entry.wrong("rule", f"no rule '{rule}'; {nearest(rule, rules)}")
        drug, protocol, ward = (entry.text(key) if entry.has(key) else "" for key in ("drug", "protocol", "ward"))
        whom = rule, drug, protocol, ward
        if whom in seen:
            raise entry.wrong("rule", f"'{rule}' is set twice for the same; write all of it in one entry")
        seen.add(whom)
        overrides.append(Override(*whom, _numbers(entry, rules[rule])))
    top.close()
    found = Thresholds(version, ctcae, tuple(overrides))
    _check(top, found, rules)
    return found


def _numbers(entry: Table, settings: RuleSettings) -> tuple[tuple[str, Threshold], ...]:
    numbers = entry.numbers("set")
    source, assumed = entry.evidence()
    if not numbers:
        raise entry.wrong("set", f"is empty; write some of {', '.join(settings.thresholds)}")
    found = []
    for name, value in numbers.items():
        if name not in settings.thresholds:
            raise entry.wrong(f"set.{name}", f"unknown number; {nearest(name, settings.thresholds)}")
        found.append((name, Threshold(value, settings.thresholds[name].unit, source or "", assumed or "")))
    return tuple(found)


def _check(top: Table, thresholds: Thresholds, rules: Mapping[str, RuleSettings]) -> None:
    """Complain about numbers that do not go together, for whomever they hold."""
    for place, one in enumerate(thresholds.overrides):
        alike = [other for other in thresholds.overrides if other.rule == one.rule]
        for drug, protocol, ward in product(*(_named(other[i] for other in map(_whom, alike)) for i in range(3))):
            if one.holds(drug, protocol, ward):
                try:
                    thresholds.of(one.rule, rules[one.rule], drug, protocol, ward)
                except ValueError as error:
                    raise top.wrong(f"overrides[{place}].set", f"{error}; change one of them") from None


def _whom(one: Override) -> tuple[str, str, str]:
    return one.drug, one.protocol, one.ward


def _named(names: Iterable[str]) -> list[str]:
    return sorted({"", *names})
