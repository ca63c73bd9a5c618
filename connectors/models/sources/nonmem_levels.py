"""Which effects are not of a patient alone: of an occasion, which the data item or the time tells that chooses among
effects which are the SAME, and of a site ($LEVEL)."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence

from connectors.models.code import Assign, Branch, Statement
from connectors.models.formulas import value, words
from connectors.models.source import Source
from connectors.models.sources.nonmem_records import Record

NOBODYS = 0.0
"""Number of a site that no patient is expected to have: who has it is a site alone."""


def sites(source: Source, levels: Sequence[Record], items: Collection[str]) -> set[int]:
    """Numbers of the etas of sites, by ``SITE=(3[1],4[2])``: ETA(3) above ETA(1); the data item is noted
    (`Source.site`), and what is said of a further level is lost."""
    above: set[int] = set()
    for record in levels:
        for item, pairs in re.findall(r"(\w+)\s*=\s*\(([^()]*)\)", record.text.upper()):
            if source.site not in (None, item) or item not in items:
                why = "there is one level above the patient" if item in items else f"$INPUT has no {item}"
                source.lose(record.line, f"effects of {item} ($LEVEL) are taken for those of each patient: {why}")
                continue
            source.site = item
            source.references[item] = NOBODYS
            source.lose(record.line, f"sites: a patient whose {item} is {NOBODYS:g} is of a site alone")
            above |= {int(at) for at in re.findall(r"(\d+)\s*\[", pairs)}
    return above


def occasion(source: Source, code: list[Statement], items: Collection[str], effects: set[str]) -> str | None:
    """The data item whose tests choose among some effects, ``None`` if none does.

    Where it is the time, at equal distances, that is noted as what an occasion lasts (`Source.every`).
    """
    effects = effects | _standing_for(code, effects)
    chosen = _tested(code, effects)
    if not chosen:
        beside = {word for formula in _formulas(code) if words(formula) & effects for word in words(formula)}
        chosen = _tested(code, set(), beside)
    for _ in range(3):  # what is tested may itself be told by a data item
        chosen += [word for word in _tested(code, set(), chosen) if word not in chosen]
    if chosen and set(chosen) <= {"TIME"} | {each.target for each in code if isinstance(each, Assign)}:
        source.every = _evenly(code)
    return next(
        (item for item in chosen if item in items and item != "TIME"),
        next((item for item in items if item.startswith("OCC")), None),
    )


def _standing_for(code: list[Statement], effects: set[str]) -> set[str]:
    """Names that stand for some effects and nothing else but zeros."""
    zeros = {each.target for each in code if isinstance(each, Assign) and value(each.formula) == 0}
    known = set(effects)
    for each in code:
        if isinstance(each, Assign) and words(each.formula) & known and words(each.formula) <= known | zeros:
            known.add(each.target)
    return known


def _evenly(code: list[Statement]) -> float | None:
    """The time from one occasion to the next, where tests of the time stand as far apart as the first does from 0."""
    tests = [each.test for each in code if isinstance(each, Branch) and words(each.test) == {"TIME"}]
    compared = [node for test in tests for node in ast.walk(test) if isinstance(node, ast.Compare)]
    at = {value(side) for node in compared for side in node.comparators}
    times = sorted(each for each in at if each is not None and each > 0)
    even = all(abs(t - times[0] * i) < 1e-9 * t for i, t in enumerate(times, start=1))
    return times[0] if times and even else None


def _formulas(code: list[Statement]) -> list[ast.expr]:
    found: list[ast.expr] = []
    for each in code:
        if isinstance(each, Assign):
            found.append(each.formula)
        elif isinstance(each, Branch):
            found += _formulas(each.yes) + _formulas(each.no)
    return found


def _tested(code: list[Statement], effects: set[str], targets: Collection[str] = ()) -> list[str]:
    """Names that tests ask for whose branches read one of some effects or define one of some names."""
    found: list[str] = []
    for each in code:
        if isinstance(each, Branch):
            inside = [*each.yes, *each.no]
            reads = any(words(formula) & effects for formula in _formulas(inside))
            defines = any(isinstance(inner, Assign) and inner.target in targets for inner in inside)
            if reads or defines:
                found += sorted(words(each.test))
            found += _tested(inside, effects, targets)
    return found
