"""What a control stream keeps from one record to the next, said without records.

NM-TRAN's names keep their values: what $ERROR gives a name at one record is what $PK reads of it at the next. A kept
observation is the last measured value (``previous``); a kept data item or time is taken as at the record itself, so
that what it interpolates between two records stands still there.
"""

from __future__ import annotations

import ast
from collections.abc import Collection

from connectors.models.code import Assign, Branch, Statement
from connectors.models.drawn import put
from connectors.models.formulas import call, name, number, replaced, value, words
from connectors.models.source import LAST, Source

_START = frozenset({"NEWIND", "TIME", "ICALL", "NEWL2"})


def unkept(source: Source, blocks: list[list[Statement]], observed: Collection[str]) -> list[list[Statement]]:
    """Statements of blocks that follow one another, without what is kept; ``observed`` are words for DV."""
    for block in range(len(blocks) - 1, -1, -1):
        for last in [each for each in blocks[block] if isinstance(each, Assign)]:
            if last.target in words(last.formula) or not _begun(blocks, last):
                continue
            of_observation = isinstance(last.formula, ast.Name) and last.formula.id in observed
            if words(last.formula) & set(observed) and not of_observation:
                continue
            blocks = [[kept for each in found for kept in _without_start(each, last)] for found in blocks]
            if of_observation:
                blocks = _before_read(blocks, Assign(last.target, name(LAST), last.line))
                source.lose(last.line, f"{last.target} is the value observed before: 0 until there is one")
            else:
                blocks = _before_read(blocks, last)
                source.lose(last.line, f"{last.target}, kept from the record before, is taken as at the record itself")
    return blocks


def _begun(blocks: list[list[Statement]], last: Assign) -> bool:
    """Whether a name is read before its last assignment, and before that has a value only at a patient's start."""
    begins = reads = False
    for each in (each for block in blocks for each in block):
        if each is last:
            return begins and reads
        if isinstance(each, Branch) and words(each.test) and words(each.test) <= _START and _gives(each, last.target):
            begins = True
        elif _gives(each, last.target):
            return False
        reads = reads or last.target in _read(each)
    return False


def _gives(each: Statement, target: str) -> bool:
    if isinstance(each, Branch):
        return any(_gives(inner, target) for inner in [*each.yes, *each.no])
    return isinstance(each, Assign) and each.target == target


def _read(each: Statement) -> frozenset[str]:
    if isinstance(each, Branch):
        inner = [_read(one) for one in [*each.yes, *each.no]]
        return words(each.test).union(*inner)
    return words(each.formula) if isinstance(each, Assign) else frozenset()


def _without_start(each: Statement, last: Assign) -> list[Statement]:
    if each is last:
        return []
    if isinstance(each, Branch) and words(each.test) <= _START and _gives(each, last.target):
        yes = [one for one in each.yes if not _gives(one, last.target)]
        no = [one for one in each.no if not _gives(one, last.target)]
        return [Branch(each.test, yes, no, each.line)] if yes or no else []
    return [each]


def _before_read(blocks: list[list[Statement]], last: Assign) -> list[list[Statement]]:
    found: list[list[Statement]] = []
    placed = False
    for block in blocks:
        kept: list[Statement] = []
        for each in block:
            if not placed and last.target in _read(each):
                kept.append(last)
                placed = True
            kept.append(each)
        found.append(kept)
    return found


def named(source: Source) -> None:
    """Let the last measured value be of the output that grades are of, or else of the first."""
    if not source.observed:
        return
    output = next((each for each in source.observed if each.categories), source.observed[0])
    by = {LAST: call("previous", name(output.name))}
    source.definitions = {word: replaced(each, by) for word, each in source.definitions.items()}
    put(source, by)


def past(after: dict[str, ast.expr]) -> dict[str, ast.expr]:
    """MPAST(i) by what $PK made of MTIME(i): 1 from that time on."""
    found: dict[str, ast.expr] = {}
    for word, at in after.items():
        if word.startswith("MTIME_"):
            begun = value(at)
            if begun is not None and begun <= 0:
                found[f"MPAST_{word.removeprefix('MTIME_')}"] = number(1.0)
                continue
            test = ast.Compare(name("t"), [ast.GtE()], [at])
            found[f"MPAST_{word.removeprefix('MTIME_')}"] = call("where", test, number(1.0), number(0.0))
    return found
