"""Known vulnerabilities of parts, as a service of OSV (osv.dev) knows them, less what a file excepts for a while.

A scan has a date. One that got no answer, or not for every part, found nothing out and says so: it is never clean.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.papers.parts import Part

FILE = Path("docs/papers/exceptions.toml")

SERVICE = "https://api.osv.dev"

AT_ONCE = 500
"""Parts in one question; the service takes 1,000."""

LONGEST_DAYS = 184
"""An exception is for half a year at most: then somebody looks again."""


class ExceptionsError(ValueError):
    """An exception cannot be used; the message names the entry and the field."""


@dataclass(frozen=True)
class Except:
    """A vulnerability of a part (package URL without version) that is accepted until a day."""

    id: str
    part: str
    reason: str
    by: str
    until: date


@dataclass(frozen=True)
class Scan:
    """What one scan found out.

    Attributes:
        made: when.
        service: who was asked.
        asked: how many parts.
        trouble: why there is no answer; ``""`` where every part was answered.
        found: ids of vulnerabilities by package URL.
    """

    made: datetime
    service: str
    asked: int
    trouble: str
    found: dict[str, list[str]]

    def as_json(self) -> str:
        """For a file; `read` takes it."""
        return json.dumps({**vars(self), "made": self.made.isoformat(timespec="seconds")}, indent=1) + "\n"


def read(path: Path) -> Scan | None:
    """The scan of a file; None where there was none."""
    if not path.is_file():
        return None
    said = json.loads(path.read_text(encoding="utf-8"))
    return Scan(**{**said, "made": datetime.fromisoformat(said["made"])})


def scan(parts: Sequence[Part], service: str, now: datetime) -> Scan:
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
    return Scan(now, service, len(parts), trouble, {} if trouble else found)


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
    """The exceptions of the tree at ``root``.

    Raises:
        ExceptionsError: an entry without one of its fields, or with one that cannot be.
    """
    exceptions = []
    for number, entry in enumerate(tomllib.loads((root / FILE).read_text(encoding="utf-8")).get("exceptions", [])):
        where = f"{FILE}: exceptions[{number}]"
        fields = {"id", "part", "reason", "by", "until"}
        if wrong := fields ^ entry.keys():
            raise ExceptionsError(f"{where}.{min(wrong)}: each entry has exactly {', '.join(sorted(fields))}")
        if type(entry["until"]) is not date:
            raise ExceptionsError(f"{where}.until: {entry['until']!r} is no day; write one such as 2027-02-28")
        for name in ("id", "part", "reason", "by"):
            if not isinstance(entry[name], str) or not entry[name].strip():
                raise ExceptionsError(f"{where}.{name}: say it")
        exceptions.append(Except(**entry))
    return exceptions


def gaps(scan: Scan | None, exceptions: Sequence[Except], today: date) -> Iterator[str]:
    """What keeps a scan from being clean."""
    if scan is None:
        yield "no scan for known vulnerabilities was ever made: run 'dosetwin papers scan'"
        return
    if scan.trouble:
        yield f"not scanned, so nothing is known of vulnerabilities: {scan.trouble}"
        return
    unused = set(exceptions)
    for purl, ids in sorted(scan.found.items()):
        for one in ids:
            fitting = [each for each in exceptions if (each.id, each.part) == (one, purl.rpartition("@")[0])]
            unused -= set(fitting)
            if not fitting:
                yield f"{purl} has {one}: renew the part, or except it in {FILE} with a reason"
    for each in exceptions:
        if each.until <= today:
            yield f"{FILE}: {each.id} of {each.part} was excepted until {each.until}: look again"
        elif (each.until - today).days > LONGEST_DAYS:
            yield f"{FILE}: {each.id} of {each.part} is excepted until {each.until}: half a year at most"
        elif each in unused:
            yield f"{FILE}: no part has {each.id} of {each.part} any more: remove it"
