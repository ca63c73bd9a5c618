"""Thresholds that a ward sets otherwise: for whom they hold, what is refused, and that alerts name them."""

from __future__ import annotations

import re

import pytest

from tests.twin.alerts.rules.views import delivery
from twin.alerts.lifecycle import AlertBook, advance
from twin.alerts.rules import assess, rules_hash, settings, thresholds_of
from twin.alerts.snapshot import Snapshot
from twin.alerts.thresholds import DEFAULT, Thresholds
from twin.model.spec import ModelError

WARD = """
version = "2026-11 day clinic"
ctcae = "6.0"

[[overrides]]
rule = "delivery.overinfusion"
set = { raise_after = 20 }
assumed = "fewer calls at night"

[[overrides]]
rule = "delivery.overinfusion"
drug = "fluorouracil"
protocol = "FOLFOX"
ward = "day-clinic"
set = { raise_above = 0.3, clear_below = 0.2 }
source = "accuracy of the elastomeric pump as its maker states it"
"""


def read(text: str = WARD) -> Thresholds:
    return thresholds_of(text, "ward.toml")


def raised(thresholds: Thresholds, snapshot: Snapshot) -> list[str]:
    found = assess(snapshot, thresholds)
    _, told = advance(AlertBook(), found, snapshot, settings(thresholds), "hash")
    return [alert.rule for alert in told]


def test_a_number_holds_for_the_drug_protocol_and_ward_that_it_names_and_for_no_other() -> None:
    thresholds, rule = read(), "delivery.overinfusion"
    base = settings()[rule]
    meant = thresholds.of(rule, base, "fluorouracil", "FOLFOX", "day-clinic")
    assert (meant.raise_above, meant.clear_below, meant.raise_after_ms) == (0.3, 0.2, 20 * 60_000)
    for other in [("docetaxel", "FOLFOX", "day-clinic"), ("fluorouracil", "", "day-clinic"), ("", "", "")]:
        its = thresholds.of(rule, base, *other)
        assert (its.raise_above, its.raise_after_ms) == (0.10, 20 * 60_000)
    assert thresholds.of("twin.surprise", settings()["twin.surprise"]) is settings()["twin.surprise"]
    assert settings(thresholds)[rule].raise_after_ms == 20 * 60_000


def test_an_infusion_that_is_a_quarter_too_fast_is_no_alert_where_the_ward_tolerates_it() -> None:
    fast = [delivery(hour, 1.25 * 93.9, 720 + 93.9 * (hour - 0.25)) for hour in (5.0, 5.5)]
    ordered = {"fluorouracil": ("FOLFOX", "day-clinic")}

    def told(thresholds: Thresholds, ordered: dict[str, tuple[str, str]]) -> list[str]:
        book, rules = AlertBook(), []
        for snapshot in (Snapshot("P-1", s.time_ms, 500.0, None, delivery=s.delivery, ordered=ordered) for s in fast):
            found = assess(snapshot, thresholds)
            book, moved = advance(book, found, snapshot, settings(thresholds), "hash")
            rules += [alert.rule for alert in moved]
        return rules

    assert told(DEFAULT, ordered) == ["delivery.overinfusion"]
    assert told(read(), ordered) == []
    assert told(read(), {"fluorouracil": ("FOLFOX", "ward-4")}) == ["delivery.overinfusion"]


def test_the_hash_names_every_number() -> None:
    changed = [read(), read(WARD.replace("0.3,", "0.31,")), read(WARD.replace("6.0", "5.0")), DEFAULT]
    assert len({rules_hash(one) for one in changed}) == 4
    assert rules_hash(read()) == rules_hash(read())
    assert all(re.fullmatch("[0-9a-f]{16}", rules_hash(one)) for one in changed)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("version =", "versoin =", "ward.toml: versoin: unknown key; did you mean 'version'?"),
        ('"delivery.overinfusion"', '"delivery.overinfuson"', "no rule 'delivery.overinfuson'; did you mean"),
        (
            "raise_above = 0.3",
            "raise_abov = 0.3",
            "overrides[1].set.raise_abov: unknown number; did you",
        ),
        (
            "raise_above = 0.3, clear_below = 0.2",
            "clear_below = 0.2",
            "clear_below 0.2 must be less than",
        ),
        ("raise_above = 0.3", "raise_above = nan", "is nan; write a finite number"),
        ('assumed = "fewer calls at night"', "", "say where the number was published"),
        ('ctcae = "6.0"', 'ctcae = "4.0"', "'4.0' is not known; write one of 5.0, 6.0"),
        ('drug = "fluorouracil"', 'medicine = "fluorouracil"', "medicine: unknown key"),
        ('drug = "fluorouracil"\nprotocol = "FOLFOX"\nward = "day-clinic"\n', "", "is set twice for the same"),
        ("set = { raise_after = 20 }", "set = {}", "is empty; write some of raise_above"),
        ("[[overrides]]", "[[overrides", "ward.toml"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_a_mend(old: str, new: str, says: str) -> None:
    with pytest.raises(ModelError, match=re.escape(says)):
        read(WARD.replace(old, new, 1))
