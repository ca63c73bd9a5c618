"""Which alerts are told, and that nobody is left with an alert whose end they never hear."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from connectors.alert_filter import AlertFilter
from tests.connectors.sinks.telling.told import OVER, Settings, alert
from twin.events import Alert


def wanted(alerts: list[Alert], **given: Any) -> list[bool]:
    judge = AlertFilter(Settings(**given))
    return [judge.wants(one) for one in alerts]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("*", [True, True, True]),
        ("tox.*", [True, True, False]),
        ("tox.*, !tox.qtc", [True, False, False]),
        ("!data.*", [True, True, False]),
        ("data.dropout,tox.neutropenia_g4", [True, False, True]),
    ],
)
def test_rules_are_chosen_by_globs(rules: str, expected: list[bool]) -> None:
    assert (
        wanted([alert(rule=rule) for rule in ("tox.neutropenia_g4", "tox.qtc", "data.dropout")], rules=rules)
        == expected
    )


def test_what_is_below_the_lowest_severity_is_not_told_and_neither_is_its_end() -> None:
    course = [alert(), alert(revision=1), alert(revision=2, phase=OVER)]
    assert wanted(course, lowest_severity="medium") == [False] * 3


def test_an_alert_that_was_told_is_told_to_its_end_however_mild_it_becomes() -> None:
    course = [alert(severity="high"), alert(revision=1), alert(revision=2, phase=OVER)]
    assert wanted(course, lowest_severity="high") == [True] * 3


def test_the_end_of_an_alert_that_may_have_been_told_before_this_process_is_told() -> None:
    course = [alert(revision=3), alert("P-2", revision=3, phase=OVER)]
    assert wanted(course, lowest_severity="high") == [False, True]


def test_patients_are_chosen_by_globs_and_by_a_file_that_may_change(tmp_path: Path) -> None:
    everybody = [alert(patient) for patient in ("P-1", "P-2", "W3-7")]
    assert wanted(everybody, patients="P-1,W3-*") == [True, False, True]
    group = tmp_path / "group"
    group.write_text("P-2\n\n")
    assert wanted(everybody, patients="P-1", patients_file=group) == [True, True, False]
    judge = AlertFilter(Settings(patients_file=group))
    assert [judge.wants(one) for one in everybody] == [False, True, False]
    group.write_text("W3-7")
    os.utime(group, ns=(1, 1))
    assert [judge.wants(one) for one in everybody] == [False, False, True]
    group.unlink()
    assert [judge.wants(one) for one in everybody] == [False, False, True]


def test_an_empty_group_is_nobody(tmp_path: Path) -> None:
    group = tmp_path / "group"
    group.write_text("")
    assert wanted([alert()], patients_file=group) == [False]
