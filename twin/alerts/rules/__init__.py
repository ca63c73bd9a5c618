"""The alert rules: one file each, listed here.

A rule is a module with ``RULE`` (its id), ``SETTINGS`` (thresholds, delays, severity, with their reasons) and
``find(snapshot)``, a pure function that says how far the condition holds for each drug, device or target. To add a
rule, write the file and add its line to `RULES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from twin.alerts.lifecycle import Finding, RuleSettings
from twin.alerts.rules import (
    data_dropout,
    delivery_overinfusion,
    delivery_underinfusion,
    exposure_above_target,
    exposure_below_target,
    tox_neutropenia_g4,
    twin_surprise,
)
from twin.alerts.snapshot import Snapshot


class Rule(Protocol):
    """What a rule module offers."""

    RULE: str
    SETTINGS: RuleSettings

    def find(self, snapshot: Snapshot) -> tuple[Finding, ...]:
        """How far the condition holds for every subject that can be judged now."""
        ...


RULES: tuple[Rule, ...] = (
    delivery_overinfusion,
    delivery_underinfusion,
    exposure_above_target,
    exposure_below_target,
    tox_neutropenia_g4,
    data_dropout,
    twin_surprise,
)

SETTINGS: Mapping[str, RuleSettings] = MappingProxyType({rule.RULE: rule.SETTINGS for rule in RULES})
"""Settings by rule id, as `twin.alerts.lifecycle.advance` takes them."""


def assess(snapshot: Snapshot) -> tuple[Finding, ...]:
    """What every rule finds in a snapshot."""
    return tuple(finding for rule in RULES for finding in rule.find(snapshot))
