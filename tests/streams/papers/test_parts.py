"""Parts: all that the locks name, each with its hash, and nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from streams.papers.parts import PartsError, parts
from tests.places import ROOT

READ = (
    "docs/papers/licences.toml",
    "requirements/dev.lock",
    "requirements/runtime.lock",
    "connectors/console/package-lock.json",
    "connectors/services/kafka_jars/jars.sha256",
    "connectors/services/influxd/go.mod",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in READ:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_package_of_the_locks_is_a_part_with_its_hashes_and_the_runtime_lock_is_shipped() -> None:
    found = {part.name: part for part in parts(ROOT) if part.ecosystem == "pypi"}
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements/dev.lock").read_text(), re.MULTILINE)
    assert found.keys() == dict(pins).keys() - {"httpx2-jsfetch"}  # of browsers
    assert all(part.hashes for part in found.values())
    assert found["numpy"].shipped
    assert not found["pytest"].shipped


def test_every_jar_of_kafka_and_the_charts_are_parts() -> None:
    jars = (ROOT / "connectors/services/kafka_jars/jars.sha256").read_text().split()
    found = {part for part in parts(ROOT) if part.ecosystem == "maven"}
    assert {(part.hashes[0][1], f"{part.name.partition(':')[2]}-{part.version}.jar") for part in found} == set(
        zip(jars[::2], jars[1::2], strict=True)
    )
    assert [part.purl for part in parts(ROOT) if part.ecosystem == "npm"] == ["pkg:npm/uplot@1.6.32"]


def test_modules_of_influxd_have_the_versions_of_its_lock_and_its_crates_are_there() -> None:
    found = parts(ROOT)
    text = (ROOT / "connectors/services/influxd/go.mod").read_text()
    modules = [part for part in found if part.ecosystem == "golang"]
    assert len(modules) > 100
    assert all(f"\t{part.name} {part.version}" in text for part in modules)
    assert len([part for part in found if part.ecosystem == "cargo"]) > 100


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("requirements/dev.lock", "aiohttp==", "aiohttp>=", "is no pinned package"),
        ("requirements/dev.lock", "--hash=sha256:", "--hash=md5:", "has no hash; run 'make lock'"),
        ("connectors/console/package-lock.json", "sha512-", "sha1-", "has sha1 instead of sha512"),
        (
            "connectors/services/kafka_jars/jars.sha256",
            "caffeine-",
            "decaf-",
            "decaf-3.2.0.jar is in no line of [maven]",
        ),
        (
            "connectors/services/influxd/go.mod",
            "\tgo.uber.org/zap ",
            "\tgo.uber.org/zip ",
            "has go.uber.org/zap, which",
        ),
    ],
)
def test_a_lock_that_cannot_be_read_is_named(tree: Path, file: str, old: str, new: str, said: str) -> None:
    text = (tree / file).read_text()
    assert old in text
    (tree / file).write_text(text.replace(old, new))
    with pytest.raises(PartsError, match=re.escape(said)):
        parts(tree)


@pytest.mark.parametrize("gone", ["requirements/dev.lock", "docs/papers/licences.toml"])
def test_a_folder_without_locks_is_no_clone(tree: Path, gone: str) -> None:
    (tree / gone).unlink()
    with pytest.raises(PartsError, match=f"{gone}: No such file.*; run this in a clone of the sources"):
        parts(tree)
