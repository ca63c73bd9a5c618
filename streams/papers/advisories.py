"""Known vulnerabilities of parts, as a service of OSV (osv.dev) or records of one know them, less what a file excepts
for a while.

A scan is an answer for each ecosystem: of a day, by somebody, about those parts. No answer finds nothing out and says
so; kinds of parts that nobody was asked about are named and excused for a while too: nothing is clean because nobody
looked.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.papers.parts import Part

FILE = Path("docs/papers/exceptions.toml")

KEPT = Path("docs/papers/scan.json")
"""The newest scan, which is part of the tree."""

SERVICE = "https://api.osv.dev"

AT_ONCE = 500
"""Parts in one question; the service takes 1,000."""

LONGEST_DAYS = 184
"""An exception and an answer are for half a year at most: then somebody looks again."""


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


class ScanError(ValueError):
    """A file is none of a scan; the message names it."""


class NoAnswer(Exception):
    """Whoever was asked did not answer, or answered something else; nothing is known."""


@dataclass(frozen=True)
class Answer:
    """What somebody knew of the parts of one ecosystem.

    Attributes:
        made: when it was asked.
        by: the service, or whose records these are.
        newest: the day of the newest record there was; None for a service, and for records without a day.
        parts: how many.
        of: a digest of which ones, `digest`.
        found: ids of vulnerabilities by package URL.
    """

    made: datetime
    by: str
    newest: date | None
    parts: int
    of: str
    found: dict[str, list[str]]


@dataclass(frozen=True)
class Scan:
    """Answers, by ecosystem."""

    answers: Mapping[str, Answer]

    @property
    def found(self) -> dict[str, list[str]]:
        """Ids of vulnerabilities by package URL, of all ecosystems."""
        return {purl: ids for answer in self.answers.values() for purl, ids in answer.found.items()}

    def of(self, part: Part) -> str:
        """What is known of a part, in words."""
        answer = self.answers.get(part.ecosystem)
        return "not scanned" if answer is None else ", ".join(answer.found.get(part.purl, ())) or "none"

    def renewed(self, newer: Scan) -> Scan:
        """With the answers of a newer one in place of its own."""
        return Scan({**self.answers, **newer.answers})

    def as_json(self) -> str:
        """For a file; `read` takes it."""
        said = {ecosystem: vars(answer) for ecosystem, answer in sorted(self.answers.items())}
        return json.dumps(said, indent=1, default=lambda when: when.isoformat()) + "\n"


def digest(parts: Iterable[Part]) -> str:
    """What differs where one part or its version does."""
    return hashlib.sha256("\n".join(sorted(part.purl for part in parts)).encode()).hexdigest()


def read(path: Path) -> Scan | None:
    """The scan of a file; None where there was none.

    Raises:
        ScanError: it is none.
    """
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Scan({ecosystem: _read_back(answer) for ecosystem, answer in said.items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ScanError(f"{path}: no scan ({type(error).__name__}: {error}); remove it and scan anew") from None


def _read_back(said: Mapping[str, Any]) -> Answer:
    newest = said["newest"] and date.fromisoformat(said["newest"])
    return Answer(**{**said, "made": datetime.fromisoformat(said["made"]), "newest": newest})


def ask(parts: Sequence[Part], service: str, now: datetime) -> Scan:
    """Ask the service for every part.

    Raises:
        NoAnswer: it is not there, fails, or says what is not of OSV or not all.
    """
    import httpx2

    found: dict[str, list[str]] = {}
    try:
        with httpx2.Client(base_url=service, timeout=60) as client:
            for start in range(0, len(parts), AT_ONCE):
                some = parts[start : start + AT_ONCE]
                question = {"queries": [{"package": {"purl": part.purl}} for part in some]}
                answer = client.post("/v1/querybatch", json=question).raise_for_status().json()
                found |= _read_answer(some, answer)
    except httpx2.HTTPError as error:
        raise NoAnswer(f"{service} gave no answer: {error or type(error).__name__}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise NoAnswer(f"{service} gave an answer that is none of OSV: {error}") from None
    return _scan(_by_ecosystem(parts), service, now, found, {})


def look_up(parts: Sequence[Part], folder: Path, by: str, now: datetime) -> Scan:
    """What the records of a folder say, for the ecosystems that they are of.

    Args:
        by: whose they are.

    Raises:
        RecordsError: the folder cannot be used.
    """
    from streams.papers import records

    said = records.read(folder)
    asked = {name: some for name, some in _by_ecosystem(parts).items() if name in said.newest}
    found = records.found_in((part for some in asked.values() for part in some), said)
    return _scan(asked, by, now, found, said.newest)


def _by_ecosystem(parts: Iterable[Part]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        found[part.ecosystem].append(part)
    return found


def _scan(
    asked: Mapping[str, Sequence[Part]],
    by: str,
    now: datetime,
    found: Mapping[str, list[str]],
    newest: Mapping[str, date | None],
) -> Scan:
    made = now.replace(microsecond=0)
    answers = {}
    for name, parts in asked.items():
        theirs = {part.purl: found[part.purl] for part in parts if part.purl in found}
        answers[name] = Answer(made, by, newest.get(name), len(parts), digest(parts), theirs)
    return Scan(answers)


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


def gaps(scan: Scan | None, exceptions: Sequence[Except], parts: Sequence[Part], today: date) -> Iterator[str]:
    """What keeps a scan from being clean for these parts."""
    if scan is None:
        yield "no scan for known vulnerabilities was ever made: run 'dosetwin papers scan'"
        return
    asked = _by_ecosystem(parts)
    for name, answer in sorted(scan.answers.items()):
        yield from _stale(name, answer, asked.get(name, []), today)
    needed = {(purl.rpartition("@")[0], one): purl for purl, ids in scan.found.items() for one in ids}
    excepted = {(each.part, one) for each in exceptions for one in each.ids}
    for (part, one), purl in sorted(needed.items()):
        if (part, one) not in excepted:
            yield f"{purl} has {one}: renew the part, or except it in {FILE} with a reason"
    unasked = sorted(asked.keys() - scan.answers.keys())
    for ecosystem in unasked:
        if not any(each.part == ecosystem and not each.ids for each in exceptions):
            yield f"no part of {ecosystem} was scanned: ask somebody who knows them, or excuse it in {FILE}"
    for each in exceptions:
        yield from _ended(each, needed.keys(), unasked, today)


def _stale(ecosystem: str, answer: Answer, parts: Sequence[Part], today: date) -> Iterator[str]:
    made = f"the scan of {answer.made:%Y-%m-%d}"
    if digest(parts) != answer.of:
        yield f"parts of {ecosystem} changed since {made}: run 'dosetwin papers scan'"
    if (today - answer.made.date()).days > LONGEST_DAYS:
        yield f"{made} is older than half a year for {ecosystem}: run 'dosetwin papers scan'"


def _ended(each: Except, needed: Collection[tuple[str, str]], unasked: Sequence[str], today: date) -> Iterator[str]:
    if each.until <= today:
        yield f"{FILE}: {each.about} was excepted until {each.until}: look again"
    elif (each.until - today).days > LONGEST_DAYS:
        yield f"{FILE}: {each.about} is excepted until {each.until}: half a year at most"
    elif gone := [one for one in each.ids if (each.part, one) not in needed]:
        yield f"{FILE}: no part has {replace(each, ids=tuple(gone)).about} any more: remove it"
    elif not each.ids and each.part not in unasked:
        yield f"{FILE}: {each.part} is scanned, or there is none: remove its [[unscanned]]"
