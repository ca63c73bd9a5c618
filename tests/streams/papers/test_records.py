"""Records of OSV: which versions they are of, by the rules of each ecosystem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.papers.parts import Part
from streams.papers.records import RecordsError, found_in, read

Events = list[dict[str, str]]


def kept(folder: Path, ecosystem: str, name: str, **more: Any) -> None:
    said = {"id": "X-1", "affected": [{"package": {"ecosystem": ecosystem, "name": name}, **more}]}
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
    (tmp_path / "w.json").write_text(json.dumps({"id": "X-1", "withdrawn": "2026-01-01T00:00:00Z", "affected": []}))
    with pytest.raises(RecordsError, match="no record of OSV is there; unpack an export"):
        read(tmp_path)
