"""What every rule must be, whoever adds it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.plugins import install
from tests.twin.alerts.rules.views import (
    NEUTROPENIA,
    by,
    delivery,
    device,
    exposure,
    level,
    nadir,
    states,
    surprise,
    toxic,
)
from twin import load_model
from twin.alerts.finding import Finding
from twin.alerts.rules import Rule, RuleFailed, assess, rules, settings, title_of
from twin.alerts.snapshot import (
    AdviceView,
    ClockView,
    CounterView,
    CountView,
    DeliveryView,
    KidneyView,
    ReportView,
    RunningView,
    Snapshot,
    StudiedView,
    ToxicityView,
    ValueView,
)
from twin.clock import DAY_MS, HOUR_MS
from twin.modelfile.library import library_ids
from twin.registry import modules_of

OURS = [rule for room in modules_of("twin.alerts.rules") for rule in modules_of(room)]
"""Every rule of ours, by the name of its module."""

PROLONGED = replace(NEUTROPENIA, name="neutropenia_prolonged", lasting_hours=168.0, probability=0.7)
PLATELETS = replace(NEUTROPENIA, name="thrombocytopenia_g4", output="platelets", probability=0.7)
PRESSURE = ToxicityView(
    "hypertension_g3", "systolic_pressure", "above", 160.0, "mm[Hg]", 0.7, 168.0, 20.0, 672.0, 0.2, 150.0, grade=3
)
QTC = replace(PRESSURE, name="qtc_g3", output="qtc", unit="ms", limit=500.0)
RISING = replace(PRESSURE, name="proteinuria_g3", output="protein", unit="g/L", limit=3.5)

SNAPSHOTS = [
    delivery(5, 940, 1200),
    delivery(5, 10, 1200),
    exposure(0, above=0.9),
    exposure(0, below=0.9),
    nadir(0, 0.7),
    toxic(0, NEUTROPENIA, PROLONGED, PLATELETS, PRESSURE, QTC, RISING),
    device(99, 0),
    surprise(0, 500.0),
    Snapshot("P-1", 0, 500.0, 0, values=(ValueView("docetaxel_plasma", 1100.0, "mg/L", 6.0, 0.6, 1.0, 1.7),)),
    replace(level(40, {48: (4.0, 40.0)}), kidney=KidneyView(160.0, 80.0, "umol/L", 0)),
    Snapshot("P-1", 0, 5.0, None, particles=1000),
    Snapshot("P-1", 0, 500.0, None, counter=CounterView("pump-4", "fluorouracil", 0, HOUR_MS, 200.0, 150.0)),
    replace(delivery(5, 93.9, 1200), running=(RunningView("pump-4", "fluorouracil", 0, False),)),
    replace(
        delivery(5, 40, 1200),
        advice=(AdviceView("fluorouracil", "ward", 0, (), 0, 40.0, 30.0, 48 * HOUR_MS, 0.1, (), 0.75),),
    ),
    Snapshot("P-1", 30 * DAY_MS, 500.0, None, delivery=(DeliveryView("docetaxel", 0.0, 100.0, 0, None),)),
    Snapshot("P-1", 99 * HOUR_MS, 500.0, 0, reports=(ReportView("ANC", 0.4, "10*9/L", 0, 98 * HOUR_MS, 98 * HOUR_MS),)),
    Snapshot("P-1", 0, 500.0, None, clocks=(ClockView("pump-4", 900.0, 0),)),
    Snapshot("P-1", 0, 500.0, None, studied=(StudiedView("learnt", "weight", 120.0, "kg", 45.0, 95.0),)),
    replace(toxic(1), temperatures=((0, 38.6),), neutrophils=CountView("neutrophils", ((1.0, (0.3, 0.8)),))),
]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages; the rules are looked for anew before and after."""
    monkeypatch.syspath_prepend(str(tmp_path))
    rules.cache_clear()
    settings.cache_clear()
    yield tmp_path
    rules.cache_clear()
    settings.cache_clear()


def test_every_file_of_the_room_is_a_rule_and_they_are_judged_in_the_order_of_their_ids() -> None:
    found = rules()
    assert found.broken == ()
    assert {rule.__name__ for rule in found.offers} == set(OURS)  # type: ignore[attr-defined]
    assert list(settings()) == list(found.names) == sorted(found.names)


def test_the_promised_rules_exist() -> None:
    assert settings().keys() >= {
        "delivery.overinfusion",
        "delivery.underinfusion",
        "exposure.above_target",
        "exposure.below_target",
        "tox.neutropenia_g4",
        "tox.neutropenia_prolonged",
        "tox.thrombocytopenia_g4",
        "tox.hypertension",
        "tox.qtc",
        "tox.rising",
        "tox.febrile_neutropenia",
        "data.dropout",
        "data.clock",
        "dose.advice_changed",
        "twin.surprise",
    }


@pytest.mark.parametrize("rule", rules().offers, ids=lambda rule: rule.RULE)
def test_file_name_follows_the_rule_id_and_the_reasons_are_written_down(rule: Rule) -> None:
    assert rule.__name__ == f"twin.alerts.rules.{rule.RULE}"  # type: ignore[attr-defined]
    assert len(rule.__doc__ or "") > 100


@pytest.mark.parametrize("rule", rules().offers, ids=lambda rule: rule.RULE)
def test_some_snapshot_makes_each_rule_speak(rule: Rule) -> None:
    found = [finding for snapshot in SNAPSHOTS for finding in rule.find(snapshot, by(rule.RULE))]
    assert any(finding.level > rule.SETTINGS.raise_above for finding in found)


LOW_COUNT = """\"\"\"The nadir is near.\"\"\"
from twin import load_model
from twin.alerts.finding import Finding
from twin.alerts.settings import Threshold, stated
from twin.events import Subject
RULE = "ward.low_count"
TITLE = "Low count"
SETTINGS = stated("minor", "delayed", {
    "raise_above": Threshold(0.2, "1", assumed="early"), "clear_below": Threshold(0.1, "1", assumed="late")
})
def find(snapshot, settings_for):
    return tuple(
        Finding(NAME, Subject("output", one.output), one.probability, "low", "The nadir is near.")
        for one in snapshot.toxicities
    )
"""


def test_a_rule_of_an_installed_package_is_judged_with_ours(installed: Path) -> None:
    files = {"low_count.py": LOW_COUNT.replace("NAME", "RULE")}
    install(installed, "ward-rules", files, {"dosetwin.rules": {"low": "low_count"}})
    plugin = rules().named("ward.low_count")
    assert plugin is not None
    assert (plugin.summary, plugin.origin) == ("The nadir is near.", "ward-rules 1.0")
    assert title_of("ward.low_count") == "Low count"
    assert states([nadir(0, 0.3)]) == [("ward.low_count", "start")]


def test_a_rule_that_is_not_here_is_called_by_its_id() -> None:
    assert title_of("ward.low_count") == "ward: low count"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("stray_count", LOW_COUNT.replace("NAME", "'twin.surprise'"), "found something in the name of 'twin.surprise'"),
        ("broken_count", LOW_COUNT.replace("NAME", "1 / 0"), "raised ZeroDivisionError: division by zero; mend it"),
    ],
)
def test_a_rule_that_cannot_judge_is_named_with_its_package(installed: Path, name: str, text: str, says: str) -> None:
    install(installed, "ward-rules", {f"{name}.py": text}, {"dosetwin.rules": {"low": name}})
    with pytest.raises(RuleFailed, match=re.escape(f"rule 'ward.low_count' of ward-rules 1.0 {says}")):
        assess(nadir(0, 0.3))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no RULE; write RULE = 'room.condition'"),
        ("RULE = 'a.b'", "has no TITLE"),
        ("RULE = 'a.b'\nTITLE = 'B'\nSETTINGS = 3", "SETTINGS is of type int, not RuleSettings"),
        (LOW_COUNT.replace("def find", "def look"), "has no find(snapshot, settings_for)"),
        (LOW_COUNT.replace("ward.low_count", "twin.surprise"), "the name 'twin.surprise' is taken by dosetwin"),
    ],
)
def test_what_is_no_rule_is_left_out_and_says_why(installed: Path, text: str, reason: str) -> None:
    name = f"no_rule_{len(text)}"
    install(installed, "ward-rules", {f"{name}.py": text}, {"dosetwin.rules": {"low": name}})
    (broken,) = rules().broken
    assert reason in str(broken)
    assert len(rules().plugins) == len(OURS)


def test_texts_are_short_and_command_nothing() -> None:
    findings: list[Finding] = [finding for snapshot in SNAPSHOTS for finding in assess(snapshot)]
    for finding in findings:
        assert len(finding.text) <= 160
        assert finding.text.endswith(".")
        words = finding.text.lower().split()
        assert not {"reduce", "increase", "stop", "give", "administer", "should", "must"} & set(words)


@pytest.mark.slow
def test_every_toxicity_that_a_library_model_declares_is_watched_by_exactly_one_rule() -> None:
    watching = [rule for rule in rules().offers if hasattr(rule, "chosen")]
    declared = [(ident, one) for ident in library_ids() for one in load_model(ident).toxicities]
    assert declared
    for ident, one in declared:
        lasting = 1.0 if one.lasting else 0.0
        view = replace(NEUTROPENIA, name=one.name, output=one.output, side=one.side, lasting_hours=lasting)
        assert sum(rule.chosen(view) for rule in watching) == 1, f"{one.name} of {ident}"
