"""Which alert stands as the cause of another one, so that nobody need be called for that.

A rule names the rules that may be its cause. One of their alerts is, if its condition holds, both are about the same
matter (a drug, a model: `twin.alerts.finding.Finding.about`), and it is no less severe. What is inhibited is told all
the same, and comes out when the cause ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from twin.alerts.settings import RANK, RETIRED, RuleSettings, Severity
from twin.events import Subject


class Cause(msgspec.Struct, frozen=True, array_like=True):
    """The alert that stands as the cause of another one."""

    rule: str
    subject: Subject
    alert_id: str


class Standing(NamedTuple):
    """An alert whose condition holds, and what it is about."""

    cause: Cause
    severity: Severity
    about: tuple[Subject, ...]


def cause_of(
    one: Standing, before: Cause | None, others: Iterable[Standing], settings: Mapping[str, RuleSettings]
) -> Cause | None:
    """The alert that stands as the cause of ``one``; the same as ``before``, while that stands."""
    rule = one.cause.rule
    rules = settings.get(rule, RETIRED).inhibited_by
    causes = [
        other.cause
        for other in others
        if other.cause.rule in rules
        and RANK[other.severity] >= RANK[one.severity]
        and not settings.get(other.cause.rule, RETIRED).of_silence
        and not set(one.about).isdisjoint(other.about)
        and rule not in _rules_above(other.cause.rule, settings)
    ]
    return before if before in causes else min(causes, key=lambda cause: rules.index(cause.rule), default=None)


def _rules_above(rule: str, settings: Mapping[str, RuleSettings]) -> set[str]:
    """The rules that inhibit a rule, and those that inhibit them: in a circle all would be silent."""
    found, left = set[str](), [rule]
    while left:
        causes = settings.get(left.pop(), RETIRED).inhibited_by
        left += [cause for cause in causes if cause not in found]
        found.update(causes)
    return found
