"""Known vulnerabilities: a scan that got no answer is never clean, and an exception ends."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.services.ports import free_ports
from streams.papers import advisories
from streams.papers.advisories import (
    Answer,
    Except,
    ExceptionsError,
    NoAnswer,
    Scan,
    ScanError,
    ask,
    digest,
    look_up,
    read,
    read_exceptions,
)
from streams.papers.parts import Part, parts
from tests.places import ROOT

PARTS = [Part("pypi", "one", "1.0"), Part("cargo", "two", "2.0")]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TODAY = NOW.date()


def answer(part: Part, *ids: str, made: datetime = NOW, newest: date | None = None) -> Answer:
    return Answer(made, "s", newest, 1, digest([part]), {part.purl: list(ids)} if ids else {})


PYPI = {"pypi": answer(PARTS[0])}
CLEAN = Scan({**PYPI, "cargo": answer(PARTS[1])})
FOUND = Scan({**PYPI, "cargo": answer(PARTS[1], "GHSA-1")})


def excepted(**other: Any) -> Except:
    return Except(
        **{"ids": ("GHSA-1",), "part": "pkg:cargo/two", "reason": "r", "by": "b", "until": date(2026, 4, 1), **other}
    )


def gaps(scan: Scan | None, exceptions: Sequence[Except], today: date = TODAY) -> list[str]:
    return list(advisories.gaps(scan, exceptions, PARTS, today))


def test_the_scan_of_the_tree_is_of_its_parts_and_all_that_it_found_is_excepted_for_now() -> None:
    kept = read(ROOT / advisories.KEPT)
    assert list(advisories.gaps(kept, read_exceptions(ROOT), parts(ROOT), date.today())) == []


def test_what_the_service_knows_is_found_and_kept_with_its_date(httpserver: HTTPServer, tmp_path: Path) -> None:
    question = {"queries": [{"package": {"purl": part.purl}} for part in PARTS]}
    said = {"results": [{}, {"vulns": [{"id": "RUSTSEC-9"}, {"id": "GHSA-1"}]}]}
    httpserver.expect_request("/v1/querybatch", method="POST", json=question).respond_with_json(said)
    found = ask(PARTS, httpserver.url_for(""), NOW)
    assert {name: (one.parts, one.made, one.newest) for name, one in found.answers.items()} == {
        "pypi": (1, NOW, None),
        "cargo": (1, NOW, None),
    }
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
    with pytest.raises(NoAnswer, match=re.escape(said)):
        ask(PARTS, httpserver.url_for(""), NOW)


def test_a_service_that_fails_or_is_not_there_is_no_clean_result(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/querybatch").respond_with_data("", status=503)
    (port,) = free_ports(1)
    for service in (httpserver.url_for(""), f"http://127.0.0.1:{port}"):
        with pytest.raises(NoAnswer, match=f"^{re.escape(service)} gave no answer"):
            ask(PARTS, service, NOW)


def test_nothing_found_is_clean_and_never_having_looked_is_not(tmp_path: Path) -> None:
    assert gaps(CLEAN, []) == []
    assert read(tmp_path / "scan.json") is None
    assert gaps(None, []) == ["no scan for known vulnerabilities was ever made: run 'dosetwin papers scan'"]


@pytest.mark.parametrize(
    ("exceptions", "said"),
    [
        ([], "pkg:cargo/two@2.0 has GHSA-1: renew the part"),
        ([excepted(until=TODAY)], "was excepted until 2026-03-01: look again"),
        ([excepted(until=date(2027, 3, 1))], "half a year at most"),
        ([excepted(), excepted(ids=("GHSA-2",))], "no part has GHSA-2 of pkg:cargo/two any more: remove it"),
    ],
)
def test_what_is_not_excepted_or_no_longer_is_named(exceptions: list[Except], said: str) -> None:
    (gap,) = gaps(FOUND, exceptions)
    assert said in gap


def test_what_is_excepted_for_a_while_is_clean() -> None:
    assert gaps(FOUND, [excepted()]) == []


def test_an_answer_about_other_versions_is_none_of_these_parts() -> None:
    older = Scan({**PYPI, "cargo": answer(Part("cargo", "two", "1.9"))})
    assert gaps(older, []) == ["parts of cargo changed since the scan of 2026-03-01: run 'dosetwin papers scan'"]


def test_an_answer_counts_for_half_a_year() -> None:
    assert gaps(CLEAN, [], date(2026, 9, 1)) == []
    aged = "the scan of 2026-03-01 is older than half a year for {}: run 'dosetwin papers scan'"
    assert gaps(CLEAN, [], date(2026, 9, 2)) == [aged.format("cargo"), aged.format("pypi")]


def test_what_nobody_was_asked_about_is_named_and_excused_for_a_while_as_well() -> None:
    half = Scan(PYPI)
    excuse = excepted(ids=(), part="cargo")
    assert gaps(half, []) == [
        "no part of cargo was scanned: ask somebody who knows them, or excuse it in docs/papers/exceptions.toml"
    ]
    assert gaps(half, [excuse]) == []
    assert "that no part of cargo is scanned was excepted until 2026-04-01" in gaps(half, [excuse], date(2026, 4, 1))[0]
    assert "cargo is scanned, or there is none: remove its [[unscanned]]" in gaps(CLEAN, [excuse])[0]
    assert (half.of(PARTS[0]), half.of(PARTS[1])) == ("none", "not scanned")


def test_records_answer_for_the_ecosystems_that_they_are_of_and_leave_the_others(tmp_path: Path) -> None:
    said = {
        "id": "RUSTSEC-9",
        "modified": "2026-02-27T10:00:00Z",
        "affected": [{"package": {"ecosystem": "crates.io", "name": "two"}, "versions": ["2.0"]}],
    }
    (tmp_path / "one.json").write_text(json.dumps(said))
    newer = look_up(PARTS, tmp_path, "somebody's, of 2026-03-01", NOW)
    assert newer.answers == {
        "cargo": Answer(
            NOW,
            "somebody's, of 2026-03-01",
            date(2026, 2, 27),
            1,
            digest([PARTS[1]]),
            {"pkg:cargo/two@2.0": ["RUSTSEC-9"]},
        )
    }
    assert CLEAN.renewed(newer) == Scan({**PYPI, **newer.answers})
    (tmp_path / "kept").write_text(newer.as_json())
    assert read(tmp_path / "kept") == newer


@pytest.mark.parametrize("text", ["", "[]", '{"npm": {}}', '{"npm": {"made": "soon", "newest": null}}'])
def test_a_file_that_is_no_scan_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "scan.json").write_text(text)
    with pytest.raises(ScanError, match=r"scan.json: no scan .*; remove it and scan anew"):
        read(tmp_path / "scan.json")


def test_the_exceptions_of_the_tree_can_be_read() -> None:
    assert all(one.reason for one in read_exceptions(ROOT))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('ids = ["G"]\npart = "p"\nby = "b"\nuntil = 2026-03-01', "exceptions[0].reason: each entry has exactly"),
        ('ids = ["G"]\npart = "p"\nreason = " "\nby = "b"\nuntil = 2026-03-01', "exceptions[0].reason: say it"),
        ('ids = ["G"]\npart = "p"\nreason = "r"\nby = "b"\nuntil = "soon"', "exceptions[0].until: 'soon' is no day"),
        ('ids = []\npart = "p"\nreason = "r"\nby = "b"\nuntil = 2026-03-01', "exceptions[0].ids: [] names none"),
    ],
)
def test_an_exception_without_reason_or_end_is_named(tmp_path: Path, entry: str, said: str) -> None:
    (tmp_path / "docs/papers").mkdir(parents=True)
    (tmp_path / "docs/papers/exceptions.toml").write_text(f"[[exceptions]]\n{entry}\n")
    with pytest.raises(ExceptionsError, match=re.escape(said)):
        read_exceptions(tmp_path)
