"""The regulatory folder: made of the tree and a run, without an empty cell, or not made at all."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime

import pytest

from streams.papers import risks
from streams.papers.advisories import Answer, Except, Scan
from streams.papers.folder import Papers, gaps, gathered, table
from streams.papers.results import Run
from tests.places import ROOT

BEGAN = datetime(2026, 12, 1, 12)
RUN = Run(BEGAN, {test: "passed" for _, _, test in risks.read(ROOT).traced()})


@pytest.fixture(scope="module")
def papers() -> Papers:
    return gathered(ROOT, RUN, "0.1.0")


def test_the_tree_has_no_gap_where_all_its_controls_passed(papers: Papers) -> None:
    assert list(gaps(papers, ROOT)) == []


def test_each_risk_and_test_is_on_its_page_and_in_the_trace_with_its_result(papers: Papers) -> None:
    pages = papers.pages()
    for risk, what, test in papers.risks.traced():
        assert f"| {risk} | {what} | {test} | passed |" in pages["trace.md"]
        assert f"| {what} | {test} | passed |" in pages["hazards.md"] + pages["threats.md"]
    assert "2026-12-01 12:00" in pages["README.md"]
    assert all(f"]({name})" in pages["README.md"] for name in pages if name != "README.md")
    assert "nothing here claims" in pages["intended_use.md"]


def test_what_was_not_scanned_says_so_in_every_line(papers: Papers) -> None:
    page = dataclasses.replace(papers, scan=None, excused=()).pages()["soup.md"]
    assert page.count("| not scanned |") == len(papers.soup)
    assert "nothing is known of them" in page
    part = papers.soup[0].part
    answer = Answer(BEGAN.replace(tzinfo=UTC), "here", date(2026, 11, 30), 1, "", {part.purl: ["GHSA-1"]})
    scan = Scan({part.ecosystem: answer})
    scanned = dataclasses.replace(papers, scan=scan)
    page = scanned.pages()["soup.md"]
    assert (
        f"- {part.ecosystem}: 1 parts, looked up on 2026-12-01 12:00Z in here; what became known after 2026-11-30"
        in page
    )
    assert "| GHSA-1 |" in page
    assert [gap for gap in gaps(scanned, ROOT) if "GHSA-1" in gap]


def test_the_page_says_why_what_is_known_does_no_harm_and_what_nobody_looked_at(papers: Papers) -> None:
    left = Except((), "npm", "its registry refused", "us", date(2027, 2, 28))
    page = dataclasses.replace(papers, excused=(*papers.excused, left)).pages()["soup.md"]
    chi = next(line for line in page.splitlines() if "pkg:golang/github.com/go-chi/chi |" in line)
    assert "GO-2026-4316: the fault is in RedirectSlashes, which influxd does not use (" in chi
    assert "\n- npm: not scanned: its registry refused (us, until 2027-02-28).\n" in page
    assert "| grafana/grafana:11.6.0 | sha256:" in page


def test_a_failed_control_and_an_empty_page_are_gaps(papers: Papers) -> None:
    failed = dataclasses.replace(papers, run=Run(BEGAN, {**RUN.results, next(iter(RUN.results)): "failed"}))
    assert "failed in the run" in next(gaps(failed, ROOT))
    assert "intended_use.md: empty" in next(gaps(dataclasses.replace(papers, intended_use=" "), ROOT))


def test_no_cell_of_a_table_is_empty() -> None:
    assert table(("a", "b"), [("1", "x|y")]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |\n"
    with pytest.raises(ValueError, match="the cell 'b' of '1' is empty"):
        table(("a", "b"), [("1", " ")])
