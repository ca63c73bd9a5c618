"""Jars are the pinned ones, and a new storage is one that Kafka's own tool has made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from connectors.services import kafka as kafka_server
from connectors.services.cache import cache_directory


def test_a_jar_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jar").write_bytes(b"a")
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    kafka_server.check_sums(tmp_path, f"{digest}  a.jar\n")
    with pytest.raises(kafka_server.WrongJar, match=r"b\.jar: not fetched"):
        kafka_server.check_sums(tmp_path, f"{digest}  a.jar\n{digest}  b.jar\n")
    (tmp_path / "a.jar").write_bytes(b"changed")
    with pytest.raises(kafka_server.WrongJar, match=r"a\.jar: its SHA-256 is not the pinned"):
        kafka_server.check_sums(tmp_path, f"{digest}  a.jar\n")
    with pytest.raises(kafka_server.WrongJar, match=r"a\.jar: not among the pinned jars"):
        kafka_server.check_sums(tmp_path, "")


@pytest.mark.slow
@pytest.mark.usefixtures("kafka")  # its jars are here
def test_a_new_storage_is_what_kafkas_tool_makes_with_ids_of_its_own(tmp_path: Path) -> None:
    library = cache_directory() / kafka_server.KEY
    found = {}
    for node in (1, 2):
        place = tmp_path / str(node)
        kafka_server.prepare(place, library, 9092, 9093, node=node, controllers=(9093, 9094), cluster="one")
        meta = place / "storage" / "meta.properties"
        found[node] = dict(line.split("=") for line in meta.read_text().splitlines() if "=" in line)
        made = cache_directory() / kafka_server.STORAGE_KEY / "bootstrap.checkpoint"
        assert (place / "storage" / "bootstrap.checkpoint").read_bytes() == made.read_bytes()
        assert all(path.stat().st_mode & 0o077 == 0 for path in (place / "storage").iterdir())
    assert {node: (one["node.id"], one["cluster.id"]) for node, one in found.items()} == {
        1: ("1", "one"),
        2: ("2", "one"),
    }
    assert found[1]["directory.id"] != found[2]["directory.id"]


@pytest.mark.slow
@pytest.mark.usefixtures("kafka")
def test_a_server_has_its_classes_from_an_archive_that_java_takes(tmp_path: Path) -> None:
    library = cache_directory() / kafka_server.KEY
    command = kafka_server.prepare(tmp_path / "node", library, 9092, 9093)
    of_java = command[: command.index("kafka.Kafka")]
    only_with_it = [of_java[0], "-Xshare:on", *of_java[1:], "-version"]
    assert subprocess.run(only_with_it, capture_output=True, check=False).returncode == 0
    another = [str(tmp_path) if word.startswith(str(library)) else word for word in only_with_it]
    assert subprocess.run(another, capture_output=True, check=False).returncode != 0


def test_a_java_that_makes_no_archive_starts_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = cache_directory() / kafka_server.STORAGE_KEY
    made.mkdir(parents=True)
    (made / "meta.properties").write_text("cluster.id=a\ndirectory.id=b\nnode.id=c\n")
    (tmp_path / "java").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "java").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kafka_server.archive(tmp_path) == ()


def test_a_storage_to_copy_that_says_no_ids_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = cache_directory() / kafka_server.STORAGE_KEY
    made.mkdir(parents=True)
    (made / "meta.properties").write_text("version=1\n")
    with pytest.raises(ValueError, match=r"no cluster\.id; remove .*, and it is made anew"):
        kafka_server.prepare(tmp_path / "node", tmp_path, 9092, 9093)
