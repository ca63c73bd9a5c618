"""Software of unknown provenance (IEC 62304): every part that is shipped, what it is for, and what is known of it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.papers.licences import Licences
from streams.papers.parts import Part

FILE = Path("docs/papers/soup.toml")

OF_SERVERS = {"maven": "part of Kafka", "golang": "part of InfluxDB", "cargo": "part of InfluxDB's query engine"}
"""What parts of a server are for that have no line of their own."""


@dataclass(frozen=True)
class Row:
    """One part on the list."""

    part: Part
    licence: str
    purpose: str


def rows(root: Path, parts: Sequence[Part], licences: Licences) -> list[Row]:
    """A row for each shipped part; a purpose that nobody wrote is ``""``."""
    purposes, users = _purposes(root), _users(root)

    def purpose(part: Part) -> str:
        written = purposes.get(part.name, "")
        via = ", ".join(users.get(part.name, ()))
        return written or OF_SERVERS.get(part.ecosystem, f"for {via}" if via else "")

    return [Row(part, licences.of(part), purpose(part)) for part in parts if part.shipped]


def gaps(root: Path, rows: Sequence[Row]) -> Iterator[str]:
    """Parts without a purpose, and purposes of what is not there."""
    direct = asked_for(root)
    written = _purposes(root)
    for row in rows:
        if not row.purpose or (
            row.part.ecosystem == "pypi" and row.part.name in direct and row.part.name not in written
        ):
            yield f"{row.part.purl}: nobody said what it is for; add it to [purpose] in {FILE}"
    for name in sorted(written.keys() - {row.part.name for row in rows}):
        yield f"{FILE}: [purpose] has {name}, which is not shipped; remove it"


def asked_for(root: Path) -> set[str]:
    """Names of packages that the project itself asks for."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in project["dependencies"]}


def _purposes(root: Path) -> Mapping[str, str]:
    said: Mapping[str, str] = tomllib.loads((root / FILE).read_text(encoding="utf-8"))["purpose"]
    return said


def _users(root: Path) -> dict[str, list[str]]:
    """By package, for which others it is there, as the lock says."""
    users = {}
    for block in re.split(r"\n(?=\S)", (root / "requirements/runtime.lock").read_text(encoding="utf-8")):
        via = re.findall(r"^    #(?: via)?\s+([a-z][\w.-]*)", block, re.MULTILINE)
        users[block.partition("==")[0]] = [name for name in via if name not in ("via", "dosetwin", "requirements")]
    return users
