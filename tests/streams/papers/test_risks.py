"""Hazards and threats: nothing of the tree's is left open, and whatever is would be named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from streams.papers.results import Run
from streams.papers.risks import Risks, gaps, read, unproved
from tests.places import ROOT

ALL = read(ROOT)


def test_every_hazard_and_threat_of_the_tree_has_controls_with_tests_that_there_are() -> None:
    assert list(gaps(ALL, ROOT)) == []
    assert len(ALL.hazards) >= 14


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda hazard: hazard.pop(name)


def _set(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda hazard: hazard.update({name: value})


def _control(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda hazard: hazard["controls"][0].update({name: value})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without("harm"), "hazards.toml: H01.harm: None is nothing; say it"),
        (_set("residual", "  "), "H01.residual: '' is nothing; say it"),
        (_set("controls", []), "H01.controls: [] is nothing; say it"),
        (_set("severity", 7), "H01.severity: 7 is not 1, 2, 3 or 4"),
        (_set("note", "x"), "H01.note: no such cell; there are id, title"),
        (_set("id", "H02"), "H02: another entry has this id"),
        (_control("tests", []), "H01.controls[0].tests: [] is nothing; say it"),
        (
            _control("tests", ["tests/test_doors.py::test_gone"]),
            "H01.controls[0]: no test 'tests/test_doors.py::test_gone'",
        ),
    ],
)
def test_what_is_left_open_is_named(spoil: Callable[[dict[str, Any]], None], said: str) -> None:
    hazards = copy.deepcopy([dict(one) for one in ALL.hazards])
    spoil(hazards[0])
    (gap,) = gaps(Risks(hazards, ALL.threats), ROOT)
    assert said in gap


def test_a_kind_of_threat_that_nobody_thought_of_is_named() -> None:
    threats = [one for one in ALL.threats if one["kind"] != "repudiation"]
    (gap,) = gaps(Risks(ALL.hazards, threats), ROOT)
    assert "nobody thought of repudiation" in gap


def test_a_test_that_was_not_run_or_did_not_pass_proves_nothing() -> None:
    tests = [test for _, _, test in ALL.traced()]
    began = datetime(2026, 3, 1, 12)
    good = dict.fromkeys(tests, "passed")
    assert list(unproved(ALL, Run(began, good))) == []
    for result, said in (("failed", "failed"), ("skipped", "skipped"), (None, "was not run")):
        one = {**good, tests[0]: result} if result else {test: "passed" for test in tests if test != tests[0]}
        (gap,) = unproved(ALL, Run(began, one))
        assert gap.startswith("H01, ")
        assert gap.endswith(f"{tests[0]} {said} in the run of 2026-03-01 12:00")
