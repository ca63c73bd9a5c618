"""Known vulnerabilities: a scan that got no answer is never clean, and an exception ends."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.services.ports import free_ports
from streams.papers.advisories import Except, ExceptionsError, Scan, gaps, read, read_exceptions, scan
from streams.papers.parts import Part
from tests.places import ROOT

PARTS = [Part("pypi", "one", "1.0"), Part("cargo", "two", "2.0")]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
FOUND = Scan(NOW, "s", 2, "", {"pkg:cargo/two@2.0": ["GHSA-1"]})


def excepted(**other: Any) -> Except:
    return Except(
        **{"id": "GHSA-1", "part": "pkg:cargo/two", "reason": "r", "by": "b", "until": date(2026, 4, 1), **other}
    )


def test_what_the_service_knows_is_found_and_kept_with_its_date(httpserver: HTTPServer, tmp_path: Path) -> None:
    question = {"queries": [{"package": {"purl": part.purl}} for part in PARTS]}
    answer = {"results": [{}, {"vulns": [{"id": "RUSTSEC-9"}, {"id": "GHSA-1"}]}]}
    httpserver.expect_request("/v1/querybatch", method="POST", json=question).respond_with_json(answer)
    found = scan(PARTS, httpserver.url_for(""), NOW)
    assert (found.trouble, found.asked) == ("", 2)
    assert found.found == {"pkg:cargo/two@2.0": ["GHSA-1", "RUSTSEC-9"]}
    (tmp_path / "scan.json").write_text(found.as_json())
    assert read(tmp_path / "scan.json") == found


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"results": [{}]}, "1 results for 2 parts"),
        ({"results": [{}, {"next_page_token": "x"}]}, "more about pkg:cargo/two@2.0 than one page has"),
        ({"results": [{}, {"vulns": 3}]}, "vulns of pkg:cargo/two@2.0 is no list"),
        ({"error": "busy"}, "an answer that is none of OSV"),
    ],
)
def test_half_an_answer_is_no_scan(httpserver: HTTPServer, answer: dict[str, Any], said: str) -> None:
    httpserver.expect_request("/v1/querybatch").respond_with_json(answer)
    found = scan(PARTS, httpserver.url_for(""), NOW)
    assert said in found.trouble
    assert next(gaps(found, [], TODAY)).startswith("not scanned, so nothing is known")


def test_a_service_that_fails_or_is_not_there_is_no_clean_result(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/querybatch").respond_with_data("", status=503)
    (port,) = free_ports(1)
    for service in (httpserver.url_for(""), f"http://127.0.0.1:{port}"):
        found = scan(PARTS, service, NOW)
        assert found.trouble.startswith(f"{service} gave no answer")
        assert len(list(gaps(found, [], TODAY))) == 1


def test_nothing_found_is_clean_and_never_having_looked_is_not(tmp_path: Path) -> None:
    assert list(gaps(Scan(NOW, "s", 2, "", {}), [], TODAY)) == []
    assert read(tmp_path / "scan.json") is None
    assert list(gaps(None, [], TODAY)) == [
        "no scan for known vulnerabilities was ever made: run 'dosetwin papers scan'"
    ]


@pytest.mark.parametrize(
    ("exceptions", "said"),
    [
        ([], "pkg:cargo/two@2.0 has GHSA-1: renew the part"),
        ([excepted(until=TODAY)], "was excepted until 2026-03-01: look again"),
        ([excepted(until=date(2027, 3, 1))], "half a year at most"),
        ([excepted(), excepted(id="GHSA-2")], "no part has GHSA-2 of pkg:cargo/two any more: remove it"),
    ],
)
def test_what_is_not_excepted_or_no_longer_is_named(exceptions: list[Except], said: str) -> None:
    (gap,) = gaps(FOUND, exceptions, TODAY)
    assert said in gap


def test_what_is_excepted_for_a_while_is_clean() -> None:
    assert list(gaps(FOUND, [excepted()], TODAY)) == []


def test_the_exceptions_of_the_tree_can_be_read() -> None:
    assert all(one.reason for one in read_exceptions(ROOT))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('id = "G"\npart = "p"\nby = "b"\nuntil = 2026-03-01', "exceptions[0].reason: each entry has exactly"),
        ('id = "G"\npart = "p"\nreason = " "\nby = "b"\nuntil = 2026-03-01', "exceptions[0].reason: say it"),
        ('id = "G"\npart = "p"\nreason = "r"\nby = "b"\nuntil = "soon"', "exceptions[0].until: 'soon' is no day"),
    ],
)
def test_an_exception_without_reason_or_end_is_named(tmp_path: Path, entry: str, said: str) -> None:
    (tmp_path / "docs/papers").mkdir(parents=True)
    (tmp_path / "docs/papers/exceptions.toml").write_text(f"[[exceptions]]\n{entry}\n")
    with pytest.raises(ExceptionsError, match=re.escape(said)):
        read_exceptions(tmp_path)
