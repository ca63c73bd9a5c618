"""Licences: every part's is known and acceptable, or it is named."""

from __future__ import annotations

import pytest

from streams.papers.licences import Licences, gaps, is_acceptable, read
from streams.papers.parts import Part, parts
from tests.places import ROOT

ONE = Part("pypi", "one", "1.0")


def test_every_part_may_be_used() -> None:
    assert list(gaps(parts(ROOT), read(ROOT))) == []


@pytest.mark.parametrize(
    ("expressions", "said"),
    [
        ({}, "pkg:pypi/one@1.0: no licence is known; find it out and add it to [pypi]"),
        ({("pypi", "one"): "AGPL-3.0-only"}, "AGPL-3.0-only is not acceptable"),
        ({("pypi", "one"): "MIT", ("pypi", "gone"): "MIT"}, "[pypi] has gone, which no lock has; remove it"),
    ],
)
def test_an_unknown_an_unacceptable_and_a_superfluous_one_are_named(
    expressions: dict[tuple[str, str], str], said: str
) -> None:
    (gap,) = gaps([ONE], Licences({"MIT": "permissive"}, expressions))
    assert said in gap


@pytest.mark.parametrize(
    ("expression", "good"),
    [
        ("MIT", True),
        ("MIT AND Zlib", False),
        ("MIT OR Zlib", True),
        ("(Zlib OR MIT) AND MIT", True),
        ("MIT WITH Classpath-exception-2.0", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0 OR MIT", True),
        ("MIT AND", False),
        ("", False),
    ],
)
def test_an_expression_is_met_by_acceptable_licences_alone(expression: str, good: bool) -> None:
    assert is_acceptable(expression, ["MIT"]) is good
