"""Forms of Y for what the data say of a record: each test of CMT, DVID, a flag or DV itself answered either way.

Definitions are followed by name, each worked out once for a set of answers: twenty tests in a row, each of which reads
what was before it, cost twenty steps, not a million.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from connectors.models.formulas import call, decided, fold_once, number, value, words
from connectors.models.source import Source

OTHER = 987_654_321.0
"""A value that no record has: stands for every other one."""

MOST_FORMS = 400
_MOST_STEPS = 400_000
"""Parts of formulas that are looked at for the forms of one Y: some seconds."""
_MOST_TOLD = 6


@dataclass(frozen=True, slots=True)
class Answers:
    """What is known of a record: data items as numbers, and outcomes of tests that are no item against a number."""

    told: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[str, bool] = field(default_factory=dict)

    def label(self, observed: str) -> str:
        """A name for what is observed there: ``dv_cmt2``; the value itself, ``observed``, is no part of it."""
        said = [(word, at) for word, at in self.told.items() if at != OTHER and word != observed]
        return "_".join(["dv", *(f"{word.lower()}{at:g}".replace(".", "p").replace("-", "m") for word, at in said)])

    def tell(self, word: str, at: float) -> Answers:
        return Answers({**self.told, word: at}, self.outcomes)


class _Open(Exception):
    def __init__(self, test: ast.Compare) -> None:
        self.test = test


def form(source: Source, formula: ast.expr, answers: Answers, also: Collection[str] = ()) -> ast.expr:
    """A formula under answers: definitions that read what was told, or one of ``also``, are written out."""
    return _Form(source, answers, frozenset(), frozenset(also)).of(formula)


def forms(
    source: Source, formula: ast.expr, items: Collection[str], observed: str | None
) -> list[tuple[Answers, ast.expr]]:
    """Each form that differs, the first answers of each; ``observed`` is the word for DV where its tests tell too.

    Where there are very many, only those items tell that choose between what reads an EPS or what is observed.
    """
    beside = {observed} if observed else set()
    points = _points(source, formula, {*items, *beside})
    few = math.prod(len(at) + 1 for at in points.values()) <= 10 * MOST_FORMS
    found = _all(source, formula, points, beside) if few else None
    if found is None:
        choosing = _choosing(source, formula, set(source.sigmas) | beside | {"DV"})
        found = _all(source, formula, {w: at for w, at in points.items() if w in choosing | beside}, beside)
    if found is None:
        raise source.wrong(
            source.lines.get("Y"), f"Y has over {MOST_FORMS} forms by what the data say; split the stream"
        )
    return found


def _all(
    source: Source, formula: ast.expr, points: Mapping[str, list[float]], beside: set[str]
) -> list[tuple[Answers, ast.expr]] | None:
    found: dict[str, tuple[Answers, ast.expr]] = {}
    grown = _grown(source, formula, Answers(), frozenset({*points, *beside}), points)
    steps = 0
    for count, (answers, each) in enumerate(grown):
        steps += sum(1 for _ in islice(ast.walk(each), _MOST_STEPS))
        if count >= MOST_FORMS or steps >= _MOST_STEPS:
            return None
        found.setdefault(ast.dump(each), (answers, each))
    return list(found.values())


def _choosing(source: Source, formula: ast.expr, telling: set[str]) -> set[str]:
    """Names in tests of which one side, or the test itself, reads a word that tells."""
    reads: dict[str, bool] = {}

    def read(node: ast.expr) -> bool:
        return any(word in telling or named(word) for word in words(node))

    def named(word: str) -> bool:
        if word not in reads:
            reads[word] = False
            reads[word] = word in source.definitions and read(source.definitions[word])
        return reads[word]

    found: set[str] = set()
    for each in [formula, *source.definitions.values()]:
        for node in ast.walk(each):
            match node:
                case ast.Call(func=ast.Name(id="where"), args=[test, yes, no]) if read(test) or read(yes) or read(no):
                    found |= words(test)
    return found


def _grown(
    source: Source, formula: ast.expr, answers: Answers, telling: frozenset[str], points: Mapping[str, list[float]]
) -> Iterator[tuple[Answers, ast.expr]]:
    try:
        yield answers, _Form(source, answers, telling).of(formula)
    except _Open as found:
        test = found.test
        chosen = next((word for word in sorted(words(test)) if word in points), None)
        if chosen is None or len(answers.told) >= _MOST_TOLD:
            for outcome in (True, False):
                more = Answers(answers.told, {**answers.outcomes, ast.dump(test): outcome})
                yield from _grown(source, formula, more, telling, points)
            return
        for at in [*points[chosen], OTHER]:
            yield from _grown(source, formula, answers.tell(chosen, at), telling, points)


class _Form:
    def __init__(
        self, source: Source, answers: Answers, telling: frozenset[str], also: frozenset[str] = frozenset()
    ) -> None:
        self.source, self.answers, self.telling = source, answers, telling
        self.needed = telling | also | answers.told.keys()
        self.done: dict[str, ast.expr] = {}
        self.reads: dict[str, bool] = {}

    def of(self, node: ast.expr) -> ast.expr:
        match node:
            case ast.Name(id=word):
                return self._name(node, word)
            case ast.Call(func=ast.Name(id="where"), args=[test, yes, no]):
                answer = self._test(test)
                if isinstance(answer, bool):
                    return self.of(yes if answer else no)
                return fold_once(call("where", answer, self.of(yes), self.of(no)))
            case ast.Call(func=function, args=arguments, keywords=keywords):
                return fold_once(ast.Call(function, [self.of(each) for each in arguments], keywords))
            case ast.BinOp(left=left, op=operator, right=right):
                return fold_once(ast.BinOp(self.of(left), operator, self.of(right)))
            case ast.UnaryOp(op=op, operand=operand):
                return fold_once(ast.UnaryOp(op, self.of(operand)))
            case ast.Compare(left=left, ops=ops, comparators=[right]):
                return ast.Compare(self.of(left), ops, [self.of(right)])
        return node

    def _name(self, node: ast.expr, word: str) -> ast.expr:
        if word in self.answers.told:
            return number(self.answers.told[word])
        if word not in self.source.definitions or not self._read(word):
            return node
        if word not in self.done:
            self.done[word] = self.of(self.source.definitions[word])
        return self.done[word]

    def _test(self, test: ast.expr) -> bool | ast.expr:
        found = self.of(test)
        outcome = decided(found)
        if outcome is None:
            outcome = self.answers.outcomes.get(ast.dump(found))
        if outcome is None and isinstance(found, ast.Compare) and words(found) & self.telling:
            raise _Open(found)
        return found if outcome is None else outcome

    def _read(self, word: str) -> bool:
        if word not in self.reads:
            self.reads[word] = False
            inner = words(self.source.definitions[word])
            self.reads[word] = any(
                each in self.needed or (each in self.source.definitions and self._read(each)) for each in inner
            )
        return self.reads[word]


def _points(source: Source, formula: ast.expr, items: Collection[str]) -> dict[str, list[float]]:
    """By item the numbers that it is compared with, where a formula and its definitions compare it."""
    found: dict[str, set[float]] = {}
    seen: set[str] = set()
    ahead = [formula]
    while ahead:
        each = ahead.pop()
        for node in ast.walk(each):
            if isinstance(node, ast.Compare):
                for word, at in _compared(node):
                    if word in items:
                        exact = isinstance(node.ops[0], ast.Eq | ast.NotEq)
                        found.setdefault(word, set()).update([at] if exact else [at - 1, at, at + 1])
        for word in words(each) - seen:
            seen.add(word)
            if word in source.definitions:
                ahead.append(source.definitions[word])
    return {word: sorted(at) for word, at in found.items()}


def _compared(node: ast.Compare) -> Iterator[tuple[str, float]]:
    for one, other in ((node.left, node.comparators[0]), (node.comparators[0], node.left)):
        at = value(other)
        if isinstance(one, ast.Name) and at is not None:
            yield one.id, at
