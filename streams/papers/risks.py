"""Hazards and threats, each with its controls, and each control with the tests that show it.

Nothing may be left open: a cell that is empty, a control without a test, a test that does not exist, was not run or did
not pass is a gap, and named.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streams.papers.results import Run, exists

FOLDER = Path("docs/papers")

HAZARD = {"id": str, "title": str, "situation": str, "harm": str, "severity": int, "likelihood": int, "residual": str}
THREAT = {"id": str, "kind": str, "asset": str, "threat": str, "residual": str}
CONTROL = {"what": str, "tests": list}

KINDS = (
    "spoofing",
    "tampering",
    "repudiation",
    "information disclosure",
    "denial of service",
    "elevation of privilege",
)
"""Of threats, by STRIDE; each must be thought of."""


@dataclass(frozen=True)
class Risks:
    """The entries of the files, as they stand there."""

    hazards: Sequence[Mapping[str, Any]]
    threats: Sequence[Mapping[str, Any]]

    def traced(self) -> Iterator[tuple[str, str, str]]:
        """Each risk, control and test: a line of the trace table."""
        for entry in (*self.hazards, *self.threats):
            for control in entry["controls"]:
                for test in control["tests"]:
                    yield entry["id"], control["what"], test


def read(root: Path) -> Risks:
    """The hazards and threats of the tree at ``root``."""

    def entries(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = tomllib.loads((root / FOLDER / f"{name}.toml").read_text(encoding="utf-8"))[name]
        return found

    return Risks(entries("hazards"), entries("threats"))


def gaps(risks: Risks, root: Path) -> Iterator[str]:
    """What is left open in the files themselves; what they name is looked for in the tree at ``root``."""
    seen: set[str] = set()
    for name, fields, entries in (("hazards", HAZARD, risks.hazards), ("threats", THREAT, risks.threats)):
        for number, entry in enumerate(entries):
            where = f"{FOLDER / name}.toml: {entry.get('id') or f'{name}[{number}]'}"
            yield from _cells(where, entry, {**fields, "controls": list})
            if entry.get("id") in seen:
                yield f"{where}: another entry has this id; give each its own"
            seen.add(str(entry.get("id")))
            yield from _scales(where, entry)
            for at, control in enumerate(entry.get("controls") or []):
                yield from _cells(f"{where}.controls[{at}]", control, CONTROL)
                for test in control.get("tests") or []:
                    if not exists(root, str(test)):
                        yield f"{where}.controls[{at}]: no test {test!r}; name one that shows {control.get('what')!r}"
    for kind in sorted(set(KINDS) - {str(entry.get("kind")) for entry in risks.threats}):
        yield f"{FOLDER / 'threats.toml'}: nobody thought of {kind}; add a threat of that kind"


def unproved(risks: Risks, run: Run) -> Iterator[str]:
    """Tests of controls that the newest run did not pass."""
    for risk, what, test in risks.traced():
        result = run.of(test)
        if result != "passed":
            said = result or "was not run"
            yield f"{risk}, {what!r}: {test} {said} in the run of {run.began:%Y-%m-%d %H:%M}"


def _cells(where: str, entry: Mapping[str, Any], fields: Mapping[str, type]) -> Iterator[str]:
    for name, kind in fields.items():
        value = entry.get(name)
        if isinstance(value, str):
            value = value.strip()
        if type(value) is not kind or value in ("", []):
            yield f"{where}.{name}: {value!r} is nothing; say it"
    for name in sorted(entry.keys() - fields.keys()):
        yield f"{where}.{name}: no such cell; there are {', '.join(fields)}"


def _scales(where: str, entry: Mapping[str, Any]) -> Iterator[str]:
    for name in ("severity", "likelihood"):
        if type(value := entry.get(name)) is int and not 1 <= value <= 4:
            yield f"{where}.{name}: {value} is not 1, 2, 3 or 4"
    if isinstance(kind := entry.get("kind"), str) and kind.strip() and kind not in KINDS:
        yield f"{where}.kind: {kind!r} is none of {', '.join(KINDS)}"
