"""What every rule must be, whoever adds it."""

from __future__ import annotations

import pkgutil

import pytest

import twin.alerts.rules
from tests.twin.alerts.rules.views import delivery, device, exposure, nadir, surprise
from twin.alerts.lifecycle import Finding
from twin.alerts.rules import RULES, SETTINGS, assess

SNAPSHOTS = [
    delivery(5, 940, 1200),
    delivery(5, 10, 1200),
    exposure(0, above=0.9),
    exposure(0, below=0.9),
    nadir(0, 0.7),
    device(99, 0),
    surprise(0, 500.0),
]


def test_every_rule_file_is_listed_once() -> None:
    files = {module.name for module in pkgutil.iter_modules(twin.alerts.rules.__path__)}
    assert {rule.__name__.rpartition(".")[2] for rule in RULES} == files  # type: ignore[attr-defined]
    assert len(SETTINGS) == len(RULES)


def test_the_promised_rules_exist() -> None:
    assert SETTINGS.keys() >= {
        "delivery.overinfusion",
        "delivery.underinfusion",
        "exposure.above_target",
        "exposure.below_target",
        "tox.neutropenia_g4",
        "data.dropout",
        "twin.surprise",
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.RULE)
def test_file_name_follows_the_rule_id_and_the_reasons_are_written_down(rule: object) -> None:
    assert rule.__name__.endswith(rule.RULE.replace(".", "_"))  # type: ignore[attr-defined]
    assert len(rule.__doc__ or "") > 100


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.RULE)
def test_some_snapshot_makes_each_rule_speak(rule: object) -> None:
    found = [finding for snapshot in SNAPSHOTS for finding in rule.find(snapshot)]  # type: ignore[attr-defined]
    settings = rule.SETTINGS  # type: ignore[attr-defined]
    assert any(finding.level > settings.raise_above for finding in found)


def test_texts_are_short_and_command_nothing() -> None:
    findings: list[Finding] = [finding for snapshot in SNAPSHOTS for finding in assess(snapshot)]
    for finding in findings:
        assert len(finding.text) <= 160
        assert finding.text.endswith(".")
        words = finding.text.lower().split()
        assert not {"reduce", "increase", "stop", "give", "administer", "should", "must"} & set(words)
