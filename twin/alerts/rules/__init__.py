"""The alert rules: one file each, found because they stand in a room here or in the group ``dosetwin.rules``.

A rule is a module with ``RULE`` (its id), ``TITLE`` (what people call it), ``SETTINGS`` (`twin.alerts.settings.stated`:
harm and onset, and every number with its reason) and ``find(snapshot, settings_for)``, a pure function that finds how
far the condition holds for each drug, device or target. In come snapshots. Out go findings, by rule in the order of
their ids.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, cast

from twin.alerts.finding import Finding
from twin.alerts.settings import RuleSettings, SettingsFor
from twin.alerts.snapshot import Snapshot
from twin.alerts.thresholds import DEFAULT, Thresholds, read_thresholds
from twin.registry import Found, Plugin, PluginError, attribute, discover, modules_of

GROUP = "dosetwin.rules"


class RuleFailed(ValueError):
    """A rule could not judge; nothing is guessed in its place. The text names the rule, its package, and a mend."""

    def __init__(self, rule: Plugin[Rule], reason: str, mend: str) -> None:
        super().__init__(f"rule '{rule.name}' of {rule.origin} {reason}; {mend}")


class Rule(Protocol):
    """What a rule module offers."""

    RULE: str
    TITLE: str
    SETTINGS: RuleSettings

    def find(self, snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
        """How far the condition holds for every subject that can be judged now, by the settings for its drug."""
        ...


# Found when first asked for, not on import: a rule may itself import what imports the rules.
@functools.cache
def rules() -> Found[Rule]:
    """Every rule, and what offered itself as one and cannot be used."""
    return discover("rule", _rule, rooms=modules_of(__name__), group=GROUP, name_of=lambda rule: rule.RULE)


@functools.cache
def settings(thresholds: Thresholds = DEFAULT) -> Mapping[str, RuleSettings]:
    """Settings by rule id, as `twin.alerts.lifecycle.advance` takes them: what holds for everybody."""
    return MappingProxyType({rule.RULE: thresholds.of(rule.RULE, rule.SETTINGS) for rule in rules().offers})


@functools.cache
def rules_hash(thresholds: Thresholds = DEFAULT) -> str:
    """16 hex digits that name all thresholds by which alerts are judged."""
    return thresholds.hash_with(settings())


def thresholds_of(text: str, file: str) -> Thresholds:
    """Thresholds from the text of a file; raises `twin.model.spec.ModelError` as
    `twin.alerts.thresholds.read_thresholds`."""
    return read_thresholds(text, file, settings())


def title_of(rule: str) -> str:
    """What people call a rule; made of its id where it is not installed here.

    >>> title_of("twin.surprise")
    'Model does not fit'
    """
    found = rules().named(rule)
    return rule.replace(".", ": ").replace("_", " ") if found is None else found.offer.TITLE


def assess(snapshot: Snapshot, thresholds: Thresholds = DEFAULT) -> tuple[Finding, ...]:
    """What every rule finds in a snapshot.

    Raises:
        RuleFailed: a rule raised, or speaks in the name of another one.
    """
    found: list[Finding] = []
    for rule in rules().plugins:
        found += _found(rule, snapshot, thresholds)
    return tuple(found)


def _found(rule: Plugin[Rule], snapshot: Snapshot, thresholds: Thresholds) -> tuple[Finding, ...]:
    name, its = rule.name, rule.offer.SETTINGS

    def as_stated(_: str) -> RuleSettings:
        return its

    def settings_for(drug: str) -> RuleSettings:
        return thresholds.at(name, its, snapshot, drug)

    try:
        findings = tuple(rule.offer.find(snapshot, settings_for if thresholds.overrides else as_stated))
    except Exception as error:  # whatever a stranger's rule does, the text says whose it is
        raise RuleFailed(
            rule, f"raised {type(error).__name__}: {error}", "mend it, or uninstall its package"
        ) from error
    for finding in findings:
        if finding.rule != name:
            raise RuleFailed(rule, f"found something in the name of '{finding.rule}'", "write Finding(RULE, ...)")
    return findings


def _rule(offered: object) -> Rule:
    attribute(offered, "RULE", str, "write RULE = 'room.condition'")
    attribute(offered, "TITLE", str, "write TITLE = 'what people call it'")
    attribute(offered, "SETTINGS", RuleSettings, "write SETTINGS = stated(...)")
    if offered.SETTINGS.harm is None:  # type: ignore[attr-defined]
        raise PluginError("has settings without reasons", "write SETTINGS = stated(harm, onset, {...})")
    if not callable(getattr(offered, "find", None)):
        raise PluginError("has no find(snapshot, settings_for)", "write a function that returns a tuple of findings")
    return cast(Rule, offered)
