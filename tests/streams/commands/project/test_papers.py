"""``dosetwin papers``: writes what it found, and ends with a code that tells a gap from no answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from typer.testing import CliRunner
from werkzeug import Request, Response

from connectors.services.ports import free_ports
from streams.cli import app
from streams.papers.risks import read
from tests.places import ROOT


@pytest.mark.slow
def test_the_bill_of_this_tree_has_no_gap(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["papers", "parts", "--tree", str(ROOT), "--out", str(tmp_path)])
    assert said.exit_code == 0, said.output
    bill = json.loads((tmp_path / "materials.cdx.json").read_text())
    assert f"{len(bill['components'])} parts" in said.stdout
    assert all(one["licenses"] for one in bill["components"])


def test_a_folder_that_is_no_clone_is_named(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["papers", "parts", "--tree", str(tmp_path), "--out", str(tmp_path)])
    assert said.exit_code == 2
    assert "run this in a clone of the sources" in said.stderr


def test_a_scan_without_an_answer_never_says_that_all_is_well(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    out = tmp_path / "scan.json"
    scan = ["papers", "scan", "--tree", str(ROOT), "--out", str(out), "--service", f"http://127.0.0.1:{port}"]
    said = CliRunner().invoke(app, scan)
    assert (said.exit_code, said.stdout) == (3, "")
    assert said.stderr.startswith("NOT SCANNED, so nothing is known of vulnerabilities: http://127.0.0.1")
    assert not out.exists(), "the newest scan that got an answer is kept"


@pytest.mark.parametrize("known", [[], [{"id": "GHSA-1"}]])
def test_a_scan_tells_what_is_known_of_each_part(
    httpserver: HTTPServer, tmp_path: Path, known: list[dict[str, str]]
) -> None:
    def answered(request: Request) -> Response:
        asked = [one["package"]["purl"] for one in request.get_json()["queries"]]
        results = [{"vulns": known} if purl.startswith("pkg:npm/uplot@") else {} for purl in asked]
        return Response(json.dumps({"results": results}), content_type="application/json")

    httpserver.expect_request("/v1/querybatch").respond_with_handler(answered)
    service = httpserver.url_for("").rstrip("/")
    said = CliRunner().invoke(
        app, ["papers", "scan", "--tree", str(ROOT), "--out", str(tmp_path / "scan.json"), "--service", service]
    )
    assert said.exit_code == 1, "what is excepted is not known of by this one"
    assert f"npm: 1 parts, {len(known)} with known vulnerabilities, by {service}\n" in said.stdout
    assert ("pkg:npm/uplot@1.6.32 has GHSA-1: renew the part" in said.stderr) is bool(known)


def test_records_are_asked_by_whose_they_are(tmp_path: Path) -> None:
    affected = [{"package": {"ecosystem": "npm", "name": "uplot"}, "versions": ["1.6.32"]}]
    said = {"id": "GHSA-1", "modified": "2026-11-28T00:00:00Z", "affected": affected}
    (tmp_path / "osv").mkdir()
    (tmp_path / "osv" / "one.json").write_text(json.dumps(said))
    out = tmp_path / "scan.json"
    scan = ["papers", "scan", "--tree", str(ROOT), "--out", str(out), "--records", str(tmp_path / "osv")]
    nameless = CliRunner().invoke(app, scan)
    assert (nameless.exit_code, "--named: say whose" in nameless.stderr) == (2, True)
    found = CliRunner().invoke(app, [*scan, "--named", "an export of 2026-11-29"])
    assert found.exit_code == 1
    assert "by an export of 2026-11-29, newest record 2026-11-28\n" in found.stdout
    assert "no part of golang was scanned" in found.stderr
    assert list(json.loads(out.read_text())) == ["npm"]
    (tmp_path / "osv" / "one.json").write_text("[]")
    broken = CliRunner().invoke(app, [*scan, "--named", "an export"])
    assert (broken.exit_code, "one.json: no record of OSV" in broken.stderr) == (2, True)
    out.write_text("[]")
    spoiled = CliRunner().invoke(app, [*scan, "--named", "an export"])
    assert (spoiled.exit_code, "scan.json: no scan" in spoiled.stderr) == (2, True)


def report_of(tests: dict[str, str]) -> str:
    """A report of pytest's form in which each test passed, or has that tag."""
    cases = ""
    for test, inside in tests.items():
        file, _, name = test.partition(".py::")
        cases += f'<testcase classname="{file.replace("/", ".")}" name="{name}">{inside}</testcase>'
    return f'<testsuites><testsuite timestamp="2026-12-01T12:00:00+00:00">{cases}</testsuite></testsuites>'


def test_the_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    tests = dict.fromkeys((test for _, _, test in read(ROOT).traced()), "")
    report, out = tmp_path / "tests.xml", tmp_path / "out"
    write = ["papers", "write", "--tree", str(ROOT), "--out", str(out), "--report", str(report)]
    missing = CliRunner().invoke(app, write)
    assert missing.exit_code == 2
    assert "'make test' writes one" in missing.stderr
    first = next(iter(tests))
    report.write_text(report_of({**tests, first: "<failure/>"}))
    failed = CliRunner().invoke(app, write)
    assert failed.exit_code == 1
    assert f"{first} failed in the run of 2026-12-01 12:00" in failed.stderr
    assert not out.exists()
    report.write_text(report_of(tests))
    good = CliRunner().invoke(app, write)
    assert good.exit_code == 0, good.output
    assert "6 pages" in good.stdout
    assert (out / "trace.md").read_text().count("| passed |") >= len(tests)
