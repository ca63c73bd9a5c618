"""All that is wrong with a model file, each fault at its line: what a compiler says of a program.

Reading a file stops at the first fault. To find the next one, the faulty entry is replaced by something harmless, a
number or a formula that nothing depends on, and the file is read again; so each section has its say, and no fault is
reported that only follows from another. Units are compared once everything can be read, and the typical patient is
tried once all units agree.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from twin.model.spec import Model, ModelError
from twin.model.structure import analyse
from twin.modelfile.dimensions import check_dimensions
from twin.modelfile.gates import doubts
from twin.modelfile.positions import SourceRange, line_and_column, places
from twin.modelfile.reader import content_of, read_model
from twin.modelfile.trial import check_typical
from twin.names import shown

MOST_FAULTS = 20
"""Faults after which the rest of a file is left for the next time."""

LONGEST_LINE = 200
"""Characters of a line that are shown; a line of a megabyte is somebody's trick."""

_FORMULAS = frozenset({"expression", "derivative", "initial", "hazard"})
_WHOLE = frozenset(
    {"targets", "toxicities", "regimens", "correlations", "sources", "missing", "confirmed_by", "expected", "fit"}
)
"""Sections that nothing else depends on: a faulty item of theirs is left out."""

_HARMLESS: dict[str, Any] = {
    "id": "x", "title": "x", "drug": "x", "time_unit": "h", "source": "x", "unit": "1", "value": 0.5, "iiv": 0.1,
    "iov": 0.1, "isv": 0.1, "reference": 1, "estimate": 1, "forecast": 1, "horizon": 1, "gap": 1, "grid": 1, "lag": 100,
    "stated_as": "variance", "categories": ["1", "0"], "error": {"additive": 1, "assumed": "x"},
    "sources": [{"citation": "x"}],
    "parameters": {"placeholder": {"value": 1, "unit": "1", "assumed": "x"}},
    "states": {"placeholder": {"unit": "1", "derivative": "0"}},
    "outputs": {"placeholder": {"unit": "1", "expression": "0", "error": {"additive": 1, "assumed": "x"}}},
} | dict.fromkeys(_FORMULAS, "0")  # fmt: skip


_NEEDED = frozenset(_HARMLESS) - {"iiv", "iov", "isv", "initial"}
"""Entries that a table cannot do without: a misspelt one is taken for what was meant."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, at a line and column counted from 1.

    ``source`` is the line itself, and ``width`` how much of it is meant.
    """

    file: str
    line: int
    column: int
    width: int
    key: str
    problem: str
    source: str

    def __str__(self) -> str:
        """As a compiler writes it: place, problem, and the line with a caret under what is meant."""
        what = f"{self.key}: {self.problem}" if self.key else self.problem
        number = f"{self.line:5d}"
        source = shown(self.source, LONGEST_LINE)
        before = min(self.column - 1, len(source))
        marked = " " * before + "^" * max(1, min(self.width, len(source) - before))
        return f"{self.file}:{self.line}:{self.column}: {what}\n{number} | {source}\n{' ' * 5} | {marked}"


def faults(text: str, file: str) -> tuple[Fault, ...]:
    """What is wrong with a model file, by line; empty for a sound one. ``file`` is only for messages."""
    try:
        content = content_of(text, file)
    except ModelError as error:
        return (_unread(text, error),)
    return located(_errors(content, text, file), text, file)


def doubtful(model: Model, file: str) -> tuple[Fault, ...]:
    """What in the file of a sound ``model`` is probably not meant (`twin.modelfile.gates`), by line."""
    return located(doubts(model, file), model.text, file)


def located(errors: Iterable[ModelError], text: str, file: str) -> tuple[Fault, ...]:
    """Errors about a file at their lines, in the order of these."""
    known = places(text)
    return tuple(sorted((_located(error, text, file, known) for error in errors), key=lambda fault: fault.line))


def _errors(content: dict[str, Any], text: str, file: str) -> list[ModelError]:
    content = copy.deepcopy(content)
    found = _all(content, lambda: read_model(content, text, file))
    if any(error.key.endswith("unit") for error in found) or len(found) >= MOST_FAULTS:
        return found
    try:
        model = read_model(content, text, file)
    except ModelError:
        return found
    # A unit that is made up would only make formulas disagree with it.
    units = _all(content, lambda: check_dimensions(read_model(content, text, file), file))
    wrong = [error for error in units if error.key.endswith("unit")]
    found += wrong or units
    if not found:
        try:
            check_typical(model, file)
            analyse(model)
        except ModelError as error:
            found.append(error)
    return found[:MOST_FAULTS]


def _all(content: dict[str, Any], check: Callable[[], object]) -> list[ModelError]:
    """Every error of a check of ``content``, which is mended on the way, as far as it can be."""
    found: list[ModelError] = []
    while len(found) < MOST_FAULTS:
        try:
            check()
            break
        except ModelError as error:
            again = any((error.key, error.problem) == (known.key, known.problem) for known in found)
            if again:
                break
            found.append(error)
            try:
                mended = _mended(content, error)
            except (KeyError, IndexError, TypeError):  # A name that has dots or brackets of its own.
                mended = False
            if not mended:
                break
    return found


def _mended(content: dict[str, Any], error: ModelError) -> bool:
    """Put something harmless in place of a fault; whether that was possible."""
    steps: list[Any] = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", error.key)]
    if not steps:
        return False
    if steps[0] in _WHOLE and len(steps) > 1:
        return _left_out(content[steps[0]], steps[1])
    for part in ("missing", "stated"):
        if part in steps:
            return _left_out(content[steps[0]][steps[1]], part)
    parent: Any = content
    for step in steps[:-1]:
        if isinstance(parent, dict) and step not in parent:
            parent[step] = {}
        parent = parent[step]
        if not isinstance(parent, dict | list):
            return False
    return _replaced(parent, steps[-1], error.problem, str(content))


def _replaced(parent: Any, last: Any, problem: str, everything: str) -> bool:
    """Put something harmless in the place of one entry of a table or a list; whether that was possible."""
    if isinstance(parent, list):
        parent[int(last)] = "0"
        return True
    there = last in parent
    meant = re.search(r"unknown key; did you mean '([^']+)'", problem)
    bound = re.search(r"must be (?:greater than|at least) (\S+)$", problem)
    if meant and meant[1] in _NEEDED and meant[1] not in parent:
        parent[meant[1]] = parent.pop(last)
    elif problem.startswith("unknown key"):
        del parent[last]
    elif bound:
        parent[last] = float(bound[1]) + 1.0
    elif last == "drug":
        # What the equations are about is the drug that they let in.
        parent["drug"] = next(iter(re.findall(r"input\((\w+)", everything)), "x")
    elif last in _HARMLESS and parent.get(last) != _HARMLESS[last]:
        parent[last] = copy.deepcopy(_HARMLESS[last])
    elif there:
        del parent[last]
    return there or last in _HARMLESS


def _left_out(section: Any, item: int | str) -> bool:
    if isinstance(section, list) and isinstance(item, int):
        del section[item]
        return True
    return isinstance(section, dict) and section.pop(item, None) is not None


def _unread(text: str, error: ModelError) -> Fault:
    """Of a text that is no TOML at all, or too much of it."""
    found = re.search(r"\s*\(at line (\d+), column (\d+)\)", error.problem)
    lines = text.split("\n")
    ends = len(lines) if "at end of document" in error.problem else 1
    line, column = (int(found[1]), int(found[2])) if found else (ends, len(lines[ends - 1]) + 1)
    line = min(line, len(lines))
    said = error.problem.replace(found.group(), "") if found else error.problem.replace(" (at end of document)", "")
    return Fault(error.file, line, column, 1, error.key, said, lines[line - 1].rstrip("\r"))


def _located(error: ModelError, text: str, file: str, known: dict[str, SourceRange]) -> Fault:
    key = error.key
    while key and key not in known:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    place = known.get(key, SourceRange(0, 1, 0, 0))
    offset, width = place.key, place.width
    word = re.search(r"unknown (?:name|function|drug|route|output) '([^']+)'", error.problem)
    within = word and re.search(rf"(?<![\w.]){re.escape(word[1])}(?!\w)", text[place.begin : place.end])
    if within:
        offset, width = place.begin + within.start(), len(within.group())
    line, column = line_and_column(text, offset)
    return Fault(shown(file), line, column, width, error.key, error.problem, text.split("\n")[line - 1].rstrip("\r"))
