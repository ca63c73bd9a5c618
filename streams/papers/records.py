"""Records of known vulnerabilities in a folder, in the form of OSV: for where no service can be asked.

An export of osv.dev, unpacked, is such a folder, and so is ``data/osv`` of the Go module golang.org/x/vulndb.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from streams.papers.parts import Part
from streams.papers.versions import order

ECOSYSTEMS = {"Go": "golang", "PyPI": "pypi", "npm": "npm", "crates": "cargo", "Maven": "maven"}
"""What OSV calls them, up to a dot or colon, and what a package URL does."""

BEGINNING = "0"
"""Before all versions, also those that lead to a first release."""

UNKNOWN = date.min
"""The day in records that are published without one, as those of Go are."""

EVENTS = ("introduced", "fixed", "last_affected", "limit")


class RecordsError(ValueError):
    """The folder cannot be used; the message names it, or the file."""


@dataclass(frozen=True)
class Affected:
    """What one record says of one package.

    Attributes:
        id: of the vulnerability.
        versions: that have it.
        ranges: of versions that have it; each event is its kind and the version at which it came.
        path: of the file.
    """

    id: str
    versions: frozenset[str]
    ranges: tuple[tuple[tuple[str, str], ...], ...]
    path: Path


@dataclass(frozen=True)
class Records:
    """A folder of them.

    Attributes:
        of: what is said of each package, by ecosystem and name.
        newest: the day of the newest one of each ecosystem, as what became known later is in none; None where one has
            no day.
    """

    of: Mapping[tuple[str, str], Sequence[Affected]]
    newest: Mapping[str, date | None] = field(default_factory=dict)


def read(folder: Path) -> Records:
    """The records below a folder; of what was withdrawn only the day counts.

    Raises:
        RecordsError: there is no record, or a file is none.
    """
    said: dict[tuple[str, str], list[Affected]] = defaultdict(list)
    days: dict[str, set[date]] = defaultdict(set)
    for path in sorted(folder.rglob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            day = max(date.fromisoformat(record[name][:10]) for name in ("modified", "published") if name in record)
            for one in record["affected"]:
                package = one["package"]
                ecosystem = ECOSYSTEMS.get(re.split("[.:]", package["ecosystem"])[0])
                if ecosystem is None:
                    continue
                days[ecosystem].add(day)
                if "withdrawn" not in record:
                    said[ecosystem, named(ecosystem, package["name"])].append(_affected(record["id"], one, path))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordsError(f"{path}: no record of OSV ({type(error).__name__}: {error})") from None
    if not days:
        raise RecordsError(f"{folder}: no record of OSV is there; unpack an export of osv.dev into it")
    return Records(said, {name: None if UNKNOWN in some else max(some) for name, some in days.items()})


def named(ecosystem: str, name: str) -> str:
    """A package's name as the locks have it: PyPI knows each by several.

    >>> named("pypi", "Foo_Bar.baz"), named("maven", "org.lz4:lz4-java")
    ('foo-bar-baz', 'org.lz4:lz4-java')
    """
    return re.sub("[-_.]+", "-", name).lower() if ecosystem == "pypi" else name


def _affected(id: str, said: Mapping[str, Any], path: Path) -> Affected:
    ranges = []
    for each in said.get("ranges", ()):
        if each["type"] == "GIT":
            continue
        events = [(kind, str(when)) for event in each["events"] for kind, when in event.items()]
        if unknown := sorted({kind for kind, _ in events} - set(EVENTS)):
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(EVENTS)}")
        ranges.append(tuple(events))
    return Affected(id, frozenset(said.get("versions", ())), tuple(ranges), path)


def found_in(parts: Iterable[Part], records: Records) -> dict[str, list[str]]:
    """Ids of vulnerabilities by package URL, as `streams.papers.advisories.Answer` has them.

    Raises:
        RecordsError: a record, or a part, has a version that is none in its ecosystem.
    """
    found = {}
    for part in parts:
        ids = {one.id for one in records.of.get((part.ecosystem, part.name), ()) if _affects(one, part)}
        if ids:
            found[part.purl] = sorted(ids)
    return found


def _affects(said: Affected, part: Part) -> bool:
    try:
        return part.version in said.versions or any(_within(events, part) for events in said.ranges)
    except ValueError as error:
        raise RecordsError(f"{said.path}: cannot be compared with {part.purl} ({error})") from None


def _within(events: Sequence[tuple[str, str]], part: Part) -> bool:
    """Does the newest event that is not after the version leave it affected?

    >>> _within([("introduced", "0"), ("fixed", "1.2.0")], Part("golang", "x", "v1.10.0"))
    False
    """
    key = order(part.ecosystem)
    version, inside = key(part.version), False
    for kind, when in sorted(events, key=lambda event: (event[1] != BEGINNING, key(event[1]))):
        at = key(when)
        if kind == "introduced" and (when == BEGINNING or version >= at):
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside
