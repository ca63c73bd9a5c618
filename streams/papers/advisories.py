"""Known vulnerabilities of parts, as a service of OSV (osv.dev) or records of one know them, less what a file excepts
for a while.

A scan has a date, and is of locks that it knows. One that got no answer found nothing out and says so; kinds of parts
that it did not ask about are named and excused for a while too: nothing is clean because nobody looked.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.papers.parts import Part

FILE = Path("docs/papers/exceptions.toml")

KEPT = Path("docs/papers/scan.json")
"""The newest scan, which is part of the tree."""

LOCKS = (
    Path("requirements/dev.lock"),
    Path("requirements/runtime.lock"),
    Path("connectors/console/package-lock.json"),
    Path("connectors/services/kafka_jars/jars.sha256"),
    Path("connectors/services/influxd/go.mod"),
    Path("docs/papers/licences.toml"),
)
"""What says which parts there are: a scan is of these alone."""

SERVICE = "https://api.osv.dev"

AT_ONCE = 500
"""Parts in one question; the service takes 1,000."""

LONGEST_DAYS = 184
"""An exception is for half a year at most: then somebody looks again."""


class ExceptionsError(ValueError):
    """An exception cannot be used; the message names the entry and the field."""


@dataclass(frozen=True)
class Except:
    """Vulnerabilities of a part (package URL without version) that are accepted until a day; with ``part`` the name of
    an ecosystem and no ``ids``, that nobody asked about any of its parts."""

    ids: tuple[str, ...]
    part: str
    reason: str
    by: str
    until: date

    @property
    def about(self) -> str:
        """What it is about, for messages."""
        return f"{', '.join(self.ids)} of {self.part}" if self.ids else f"that no part of {self.part} is scanned"


@dataclass(frozen=True)
class Scan:
    """What one scan found out.

    Attributes:
        made: when.
        service: who was asked, or whose records these are.
        asked: how many parts, by ecosystem.
        trouble: why there is no answer; ``""`` where every part that was asked about was answered.
        found: ids of vulnerabilities by package URL.
        locks: SHA-256 of each file that said which parts there are.
    """

    made: datetime
    service: str
    asked: dict[str, int]
    trouble: str
    found: dict[str, list[str]]
    locks: dict[str, str]

    def of(self, part: Part) -> str:
        """What is known of a part, in words."""
        if self.trouble or part.ecosystem not in self.asked:
            return "not scanned"
        return ", ".join(self.found.get(part.purl, ())) or "none"

    def as_json(self) -> str:
        """For a file; `read` takes it."""
        return json.dumps({**vars(self), "made": self.made.isoformat(timespec="seconds")}, indent=1) + "\n"


def locked(root: Path) -> dict[str, str]:
    """SHA-256 of the locks of the tree at ``root``."""
    return {str(path): hashlib.sha256((root / path).read_bytes()).hexdigest() for path in LOCKS}


def read(path: Path) -> Scan | None:
    """The scan of a file; None where there was none."""
    if not path.is_file():
        return None
    said = json.loads(path.read_text(encoding="utf-8"))
    return Scan(**{**said, "made": datetime.fromisoformat(said["made"])})


def scan(parts: Sequence[Part], service: str, locks: Mapping[str, str], now: datetime) -> Scan:
    """Ask the service for every part; trouble with it is in what is returned."""
    import httpx2

    found: dict[str, list[str]] = {}
    trouble = ""
    try:
        with httpx2.Client(base_url=service, timeout=60) as client:
            for start in range(0, len(parts), AT_ONCE):
                some = parts[start : start + AT_ONCE]
                question = {"queries": [{"package": {"purl": part.purl}} for part in some]}
                answer = client.post("/v1/querybatch", json=question).raise_for_status().json()
                found |= _read_answer(some, answer)
    except httpx2.HTTPError as error:
        trouble = f"{service} gave no answer: {error or type(error).__name__}"
    except (ValueError, KeyError, TypeError) as error:
        trouble = f"{service} gave an answer that is none of OSV: {error}"
    return Scan(now, service, _counted(parts), trouble, {} if trouble else found, dict(locks))


def look_up(parts: Sequence[Part], folder: Path, named: str, locks: Mapping[str, str], now: datetime) -> Scan:
    """What the records of a folder say; ecosystems that no record is of were not asked about.

    Raises:
        RecordsError: the folder cannot be used.
    """
    from streams.papers import records

    said = records.read(folder)
    covered = {ecosystem for ecosystem, _ in said}
    asked = [part for part in parts if part.ecosystem in covered]
    return Scan(now, named, _counted(asked), "", records.found_in(asked, said), dict(locks))


def _counted(parts: Sequence[Part]) -> dict[str, int]:
    return dict(Counter(part.ecosystem for part in parts))


def _read_answer(parts: Sequence[Part], answer: dict[str, list[dict[str, object]]]) -> dict[str, list[str]]:
    results = answer["results"]
    if len(results) != len(parts):
        raise ValueError(f"{len(results)} results for {len(parts)} parts")
    found = {}
    for part, result in zip(parts, results, strict=True):
        if result.get("next_page_token"):
            raise ValueError(f"more about {part.purl} than one page has")
        vulnerabilities = result.get("vulns", [])
        if not isinstance(vulnerabilities, list):
            raise ValueError(f"vulns of {part.purl} is no list")
        if vulnerabilities:
            found[part.purl] = sorted(str(one["id"]) for one in vulnerabilities)
    return found


def read_exceptions(root: Path) -> list[Except]:
    """The exceptions of the tree at ``root``, and what is excused from being scanned.

    Raises:
        ExceptionsError: an entry without one of its fields, or with one that cannot be.
    """
    said = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    found = []
    for kind, what in (("exceptions", "ids"), ("unscanned", "")):
        for number, entry in enumerate(said.get(kind, [])):
            _check(entry, f"{FILE}: {kind}[{number}]", {"part", "reason", "by", "until", *filter(None, [what])})
            found.append(Except(**{**entry, "ids": tuple(entry.get("ids", ()))}))
    return found


def _check(entry: Mapping[str, object], where: str, fields: set[str]) -> None:
    if wrong := fields ^ entry.keys():
        raise ExceptionsError(f"{where}.{min(wrong)}: each entry has exactly {', '.join(sorted(fields))}")
    if type(entry["until"]) is not date:
        raise ExceptionsError(f"{where}.until: {entry['until']!r} is no day; write one such as 2027-02-28")
    ids = entry.get("ids", ["-"])
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise ExceptionsError(f'{where}.ids: {ids!r} names none; write them such as ["GHSA-xxxx-xxxx-xxxx"]')
    for name in ("part", "reason", "by"):
        text = entry[name]
        if not isinstance(text, str) or not text.strip():
            raise ExceptionsError(f"{where}.{name}: say it")


def gaps(
    scan: Scan | None, exceptions: Sequence[Except], parts: Sequence[Part], locks: Mapping[str, str], today: date
) -> Iterator[str]:
    """What keeps a scan from being clean for these parts, of these locks."""
    if scan is None:
        yield "no scan for known vulnerabilities was ever made: run 'dosetwin papers scan'"
        return
    if scan.trouble:
        yield f"not scanned, so nothing is known of vulnerabilities: {scan.trouble}"
        return
    for path in sorted(path for path, digest in locks.items() if scan.locks.get(path) != digest):
        yield f"{path} changed since the scan of {scan.made:%Y-%m-%d}: run 'dosetwin papers scan'"
    needed = {(purl.rpartition("@")[0], one): purl for purl, ids in scan.found.items() for one in ids}
    unasked = sorted({part.ecosystem for part in parts} - scan.asked.keys())
    excepted = {(each.part, one) for each in exceptions for one in each.ids}
    for (part, one), purl in sorted(needed.items()):
        if (part, one) not in excepted:
            yield f"{purl} has {one}: renew the part, or except it in {FILE} with a reason"
    for ecosystem in unasked:
        if not any(each.part == ecosystem and not each.ids for each in exceptions):
            yield f"no part of {ecosystem} was scanned: ask somebody who knows them, or excuse it in {FILE}"
    for each in exceptions:
        there = {one for one in each.ids if (each.part, one) in needed}
        if each.until <= today:
            yield f"{FILE}: {each.about} was excepted until {each.until}: look again"
        elif (each.until - today).days > LONGEST_DAYS:
            yield f"{FILE}: {each.about} is excepted until {each.until}: half a year at most"
        elif gone := [one for one in each.ids if one not in there]:
            yield f"{FILE}: no part has {replace(each, ids=tuple(gone)).about} any more: remove it"
        elif not each.ids and each.part not in unasked:
            yield f"{FILE}: {each.part} is scanned, or there is none: remove its [[unscanned]]"
