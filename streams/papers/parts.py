"""Parts that somebody else made, as the lock files name them: packages of Python and npm, jars, Go modules, crates.

A part is *shipped* where the program runs with it, and *for tests* where only development needs it. Kafka's jars and
influxd with its modules and crates are what ``dosetwin services`` fetches and builds.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SERVICES = Path("connectors/services")

NOWHERE = "sys_platform == 'emscripten'"
"""A package for a browser: the program runs in none."""


class PartsError(ValueError):
    """A lock file cannot be read; the message names it and the line."""


@dataclass(frozen=True, order=True)
class Part:
    """One part.

    Attributes:
        ecosystem: as a package URL has it: pypi, npm, maven, golang or cargo.
        name: with its group or scope, as in `licences.toml`.
        version: exact.
        shipped: whether the running program has it.
        hashes: SHA-256 or SHA-512 of its files, hexadecimal, after the name of the algorithm.
    """

    ecosystem: str
    name: str
    version: str
    shipped: bool = True
    hashes: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def purl(self) -> str:
        """Its package URL.

        >>> Part("maven", "org.lz4:lz4-java", "1.8.0").purl
        'pkg:maven/org.lz4/lz4-java@1.8.0'
        """
        name = self.name.replace(":", "/") if self.ecosystem == "maven" else self.name
        return f"pkg:{self.ecosystem}/{name}@{self.version}"


def parts(root: Path) -> list[Part]:
    """All parts of the tree at ``root``, sorted.

    Raises:
        PartsError: a lock file that cannot be read, or a jar that ``licences.toml`` does not know.
    """
    try:
        licences = tomllib.loads((root / "docs/papers/licences.toml").read_text(encoding="utf-8"))
        return sorted([*python(root), *npm(root), *jars(root, licences), *go(root, licences), *crates(licences)])
    except OSError as error:
        raise PartsError(f"{error.filename}: {error.strerror}; run this in a clone of the sources") from None


def python(root: Path) -> Iterator[Part]:
    """Packages of the two locks; those of the runtime lock are shipped."""
    shipped = {(name, version) for name, version, _ in _requirements(root / "requirements/runtime.lock")}
    for name, version, hashes in _requirements(root / "requirements/dev.lock"):
        yield Part("pypi", name, version, (name, version) in shipped, hashes)


def _requirements(lock: Path) -> Iterator[tuple[str, str, tuple[tuple[str, str], ...]]]:
    for block in re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip()):
        pin = re.match(r"([\w.-]+)==([^\s;\\]+)([^\n]*)", block)
        if pin is None:
            raise PartsError(f"{lock}: {block.splitlines()[0]!r} is no pinned package")
        if NOWHERE in pin[3]:
            continue
        hashes = tuple(("SHA-256", digest) for digest in re.findall(r"--hash=sha256:([0-9a-f]{64})", block))
        if not hashes:
            raise PartsError(f"{lock}: {pin[1]} has no hash; run 'make lock'")
        yield pin[1], pin[2], hashes


def npm(root: Path) -> Iterator[Part]:
    """What the console's page is made of besides our own files."""
    lock = root / "connectors/console/package-lock.json"
    for place, one in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
        if place:
            algorithm, _, digest = one["integrity"].partition("-")
            if algorithm != "sha512":
                raise PartsError(f"{lock}: {place} has {algorithm} instead of sha512")
            name = place.rpartition("node_modules/")[2]
            yield Part("npm", name, one["version"], True, (("SHA-512", base64.b64decode(digest).hex()),))


def jars(root: Path, licences: dict[str, dict[str, list[str]]]) -> Iterator[Part]:
    """Kafka's jars, each by its file's name and hash; its group is that of ``licences.toml``."""
    lock = root / SERVICES / "kafka_jars/jars.sha256"
    known = {name.partition(":")[2]: name for names in licences["maven"].values() for name in names}
    for line in lock.read_text(encoding="utf-8").splitlines():
        digest, file = line.split()
        artifact, version = _artifact(file.removesuffix(".jar"), known)
        if not artifact:
            raise PartsError(f"{lock}: {file} is in no line of [maven] in docs/papers/licences.toml")
        yield Part("maven", known[artifact], version, True, (("SHA-256", digest),))


def _artifact(stem: str, known: dict[str, str]) -> tuple[str, str]:
    """A jar's artifact and version; the longest artifact that is known.

    >>> _artifact("kafka-tools-api-4.2.0", {"kafka": "", "kafka-tools-api": ""})
    ('kafka-tools-api', '4.2.0')
    """
    found = [name for name in known if stem.startswith(f"{name}-") and stem[len(name) + 1].isdigit()]
    artifact = max(found, key=len, default="")
    return artifact, stem[len(artifact) + 1 :]


def go(root: Path, licences: dict[str, dict[str, list[str]]]) -> Iterator[Part]:
    """Modules that are linked into influxd, at the versions of ``go.mod``."""
    lock = root / SERVICES / "influxd/go.mod"
    versions = dict(re.findall(r"^\t(\S+) (v\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    for module in (name for names in licences["golang"].values() for name in names):
        if module not in versions:
            raise PartsError(f"docs/papers/licences.toml: [golang] has {module}, which {lock} has not")
        yield Part("golang", module, versions[module])


def crates(licences: dict[str, dict[str, list[str]]]) -> Iterator[Part]:
    """Crates of influxd's query engine; their lock is inside a Go module, so ``licences.toml`` has their versions."""
    for name, _, version in (crate.partition("@") for crates in licences["cargo"].values() for crate in crates):
        yield Part("cargo", name, version)
