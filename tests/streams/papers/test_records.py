"""Records of OSV: which versions they are of, by the rules of each ecosystem."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from streams.papers.parts import Part
from streams.papers.records import RecordsError, found_in, read

Events = list[dict[str, str]]


def kept(folder: Path, ecosystem: str, name: str, modified: str = "2026-03-01T00:00:00Z", **more: Any) -> None:
    affected = [{"package": {"ecosystem": ecosystem, "name": name}, **more}]
    said = {"id": "X-1", "modified": modified, "affected": affected}
    (folder / "x.json").write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("part", "ecosystem", "events", "hit"),
    [
        (Part("golang", "m", "v1.10.0"), "Go", [{"introduced": "0"}, {"fixed": "1.9.0"}], False),
        (Part("golang", "m", "v1.8.0"), "Go", [{"introduced": "0"}, {"fixed": "1.9.0"}], True),
        (Part("golang", "m", "v4.1.0+incompatible"), "Go", [{"introduced": "0"}], True),
        (
            Part("golang", "m", "v0.0.0-20181116215533-9bd4a3295021"),
            "Go",
            [{"introduced": "0"}, {"fixed": "0.1.0"}],
            True,
        ),
        (
            Part("golang", "m", "v0.0.0-20181116215533-9bd4a3295021"),
            "Go",
            [{"introduced": "0"}, {"fixed": "0.0.0-20170330155735-e4e2799dd7aa"}],
            False,
        ),
        (
            Part("golang", "m", "v1.58.0"),
            "Go",
            [{"introduced": "0"}, {"fixed": "1.56.3"}, {"introduced": "1.58.0"}],
            True,
        ),
        (Part("cargo", "m", "1.0.0-rc.1"), "crates", [{"introduced": "1.0.0"}], False),
        (Part("pypi", "m", "2.0.post1"), "PyPI", [{"introduced": "1"}, {"last_affected": "2.0"}], False),
        (Part("pypi", "m", "2.0"), "PyPI", [{"introduced": "1"}, {"last_affected": "2.0"}], True),
        (Part("npm", "other", "1.0.0"), "npm", [{"introduced": "0"}], False),
        (Part("npm", "m", "1.6.32"), "npm", [{"introduced": "0"}, {"fixed": "1.6.31"}], False),
        (Part("maven", "m", "2.0"), "Maven", [{"introduced": "2.0-beta9"}, {"fixed": "2.25.3"}], True),
        (Part("maven", "m", "1.5.6-10"), "Maven", [{"introduced": "0"}, {"last_affected": "1.5.6"}], False),
        (
            Part("maven", "m", "12.0.22"),
            "Maven:https://repo.example",
            [{"introduced": "0"}, {"fixed": "12.0.36"}],
            True,
        ),
    ],
)
def test_a_version_is_affected_from_where_a_fault_came_in_until_it_was_mended(
    tmp_path: Path, part: Part, ecosystem: str, events: Events, hit: bool
) -> None:
    kept(tmp_path, ecosystem, "m", ranges=[{"type": "SEMVER", "events": events}])
    assert found_in([part], read(tmp_path)) == ({part.purl: ["X-1"]} if hit else {})


def test_versions_that_are_listed_count_and_commits_do_not(tmp_path: Path) -> None:
    kept(tmp_path, "Maven", "g:a", versions=["1.0"], ranges=[{"type": "GIT", "events": [{"introduced": "0"}]}])
    parts = [Part("maven", "g:a", "1.0"), Part("maven", "g:a", "1.1")]
    assert found_in(parts, read(tmp_path)) == {"pkg:maven/g/a@1.0": ["X-1"]}


def test_what_was_withdrawn_is_no_vulnerability_and_an_empty_folder_no_answer(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no record of OSV is there; unpack an export"):
        read(tmp_path)
    kept(tmp_path, "npm", "m", versions=["1.0.0"])
    said = json.loads((tmp_path / "x.json").read_text())
    (tmp_path / "x.json").write_text(json.dumps({**said, "withdrawn": "2026-01-01T00:00:00Z"}))
    assert found_in([Part("npm", "m", "1.0.0")], read(tmp_path)) == {}


def test_a_package_of_pypi_is_found_by_each_of_its_names(tmp_path: Path) -> None:
    kept(tmp_path, "PyPI", "Some_Package", ranges=[{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}])
    assert found_in([Part("pypi", "some-package", "1.0")], read(tmp_path)) == {"pkg:pypi/some-package@1.0": ["X-1"]}


def test_the_newest_record_says_until_when_something_is_known(tmp_path: Path) -> None:
    for day in ("2026-02-28", "2026-03-02"):
        (tmp_path / day).mkdir()
        kept(tmp_path / day, "npm", "m", modified=f"{day}T00:00:00Z")
    kept(tmp_path, "Debian:12", "m", modified="2026-12-01T00:00:00Z")
    assert read(tmp_path).newest == {"npm": date(2026, 3, 2)}
    (tmp_path / "undated").mkdir()
    kept(tmp_path / "undated", "npm", "m", modified="0001-01-01T00:00:00Z")
    assert read(tmp_path).newest == {"npm": None}


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        (
            [{"type": "SEMVER", "events": [{"mended": "1"}]}],
            "x.json: no record of OSV .*'mended' is none of introduced",
        ),
        ([{"events": []}], "x.json: no record of OSV .*'type'"),
        ([{"type": "SEMVER", "events": ["0"]}], "x.json: no record of OSV"),
        (
            [{"type": "SEMVER", "events": [{"introduced": "x"}]}],
            "x.json: cannot be compared with pkg:npm/m@1.0.0 .*'x' is no",
        ),
    ],
)
def test_a_record_that_is_none_or_has_no_versions_is_named(tmp_path: Path, ranges: list[Any], said: str) -> None:
    kept(tmp_path, "npm", "m", ranges=ranges)
    with pytest.raises(RecordsError, match=said):
        found_in([Part("npm", "m", "1.0.0")], read(tmp_path))
