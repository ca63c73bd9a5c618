"""Records of known vulnerabilities in a folder, in the form of OSV: for where no service can be asked.

An export of osv.dev, unpacked, is such a folder, and so is ``data/osv`` of the Go module golang.org/x/vulndb.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.papers.parts import Part

ECOSYSTEMS = {"Go": "golang", "PyPI": "pypi", "npm": "npm", "crates": "cargo", "Maven": "maven"}
"""What OSV calls them, up to a dot or colon, and what a package URL does."""

BEGINNING = "0"
"""Before all versions, also those that lead to a first release."""

Affected = tuple[str, Mapping[str, Any]]
"""The id of a record, and what it says of one package."""


class RecordsError(ValueError):
    """The folder cannot be used; the message names it, or the file."""


def read(folder: Path) -> dict[tuple[str, str], list[Affected]]:
    """What is said of each package, by ecosystem and name; what was withdrawn is left out.

    Raises:
        RecordsError: there is no record, or a file is none.
    """
    found: dict[tuple[str, str], list[Affected]] = defaultdict(list)
    for path in sorted(folder.rglob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            if "withdrawn" in said:
                continue
            for one in said["affected"]:
                package = one["package"]
                ecosystem = ECOSYSTEMS.get(re.split("[.:]", package["ecosystem"])[0])
                if ecosystem is not None:
                    found[ecosystem, package["name"]].append((said["id"], one))
        except (ValueError, KeyError, TypeError) as error:
            raise RecordsError(f"{path}: no record of OSV ({type(error).__name__}: {error})") from None
    if not found:
        raise RecordsError(f"{folder}: no record of OSV is there; unpack an export of osv.dev into it")
    return found


def found_in(parts: Sequence[Part], said: Mapping[tuple[str, str], Sequence[Affected]]) -> dict[str, list[str]]:
    """Ids of vulnerabilities by package URL, as `streams.papers.advisories.Scan` has them."""
    found = {}
    for part in parts:
        ids = {id for id, one in said.get((part.ecosystem, part.name), ()) if _affects(one, part)}
        if ids:
            found[part.purl] = sorted(ids)
    return found


def _affects(said: Mapping[str, Any], part: Part) -> bool:
    return part.version in said.get("versions", ()) or any(
        _within(each.get("events", ()), part) for each in said.get("ranges", ()) if each.get("type") != "GIT"
    )


def _within(events: Sequence[Mapping[str, str]], part: Part) -> bool:
    """Does the newest event that is not after the version leave it affected?

    >>> _within([{"introduced": "0"}, {"fixed": "1.2.0"}], Part("golang", "x", "v1.10.0"))
    False
    """
    key = _key(part.ecosystem)
    version, inside = key(part.version), False
    for kind, when in sorted(_told(events), key=lambda event: (event[1] != BEGINNING, key(event[1]))):
        at = key(when)
        if kind == "introduced" and (when == BEGINNING or version >= at):
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _told(events: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for event in events:
        yield from event.items()


def _key(ecosystem: str) -> Any:
    from packaging.version import Version

    return Version if ecosystem == "pypi" else semantic


def semantic(version: str) -> tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]:
    """What orders versions of semver.org; a release comes after all that lead to it.

    >>> semantic("v1.2.0-rc.1") < semantic("1.2.0") < semantic("1.10.0+incompatible")
    True
    >>> semantic("0.0.0-20200220183623-bac4c82f6975") < semantic("v0.36.0")
    True
    """
    core, _, before = version.removeprefix("v").partition("+")[0].partition("-")
    numbers = tuple(int(each) for each in re.findall(r"\d+", core))
    if not before:
        return (*numbers, *(0,) * (3 - len(numbers))), ((2, 0, ""),)
    parted = tuple((0, int(each), "") if each.isdigit() else (1, 0, each) for each in before.split("."))
    return (*numbers, *(0,) * (3 - len(numbers))), parted
