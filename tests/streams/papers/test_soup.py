"""Software that others made: each part that is shipped has a purpose, its own or that of whom it is for."""

from __future__ import annotations

import dataclasses

from streams.papers import licences, soup
from streams.papers.parts import Part, parts
from tests.places import ROOT

ROWS = soup.rows(ROOT, parts(ROOT), licences.read(ROOT))


def test_every_shipped_part_of_the_tree_has_a_purpose_and_what_is_for_tests_is_left_out() -> None:
    assert list(soup.gaps(ROOT, ROWS)) == []
    by_name = {row.part.name: row for row in ROWS}
    assert "pytest" not in by_name
    assert by_name["llvmlite"].purpose == "for numba"
    assert by_name["numpy"].purpose.startswith("all arrays of particles")


def test_what_nobody_said_and_what_is_there_no_more_is_named() -> None:
    rows = [row for row in ROWS if row.part.name != "uplot"]
    rows = [dataclasses.replace(row, purpose="") if row.part.name == "pint" else row for row in rows]
    nameless = soup.Row(Part("npm", "new", "1.0"), "MIT", "")
    first, second, third = soup.gaps(ROOT, [*rows, nameless])
    assert first.startswith("pkg:pypi/pint@")
    assert second == "pkg:npm/new@1.0: nobody said what it is for; add it to [purpose] in docs/papers/soup.toml"
    assert "has uplot, which is not shipped" in third
