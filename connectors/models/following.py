"""Statements followed in their order: what each name stands for at the end, as formulas that a model file can have.

A name that is assigned once keeps its name; one that is assigned again gets ``_2``, ``_3`` behind it for what it is
from there on, so that each definition is of one formula over those above it. What an IF without ELSE leaves open is
what the name was before, and 0 where it was nothing, as in NM-TRAN.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from connectors.models.code import Assign, Branch, Statement, Unread
from connectors.models.formulas import (
    ONE,
    ZERO,
    chosen,
    decided,
    factors,
    folded,
    mapped,
    name,
    product,
    replaced,
    same,
)
from connectors.models.normal import PREFIX, distribution
from connectors.models.source import Source

Decide = Callable[[ast.expr, int], ast.expr]
"""What is made of a test before it is followed: the same test, or one whose outcome is known."""


class Follower:
    """What names stand for; `definitions` of the source grow while statements are followed.

    ``known`` are formulas that stand for words of the language (``TIME`` is ``t``). ``lowered`` make one name of those
    that differ in case.
    """

    def __init__(self, source: Source, known: Mapping[str, ast.expr], decide: Decide | None = None) -> None:
        self.source = source
        self.meaning: dict[str, ast.expr] = dict(known)
        self.decide: Decide = decide or (lambda test, _: test)

    def follow(self, statements: list[Statement]) -> None:
        """Take statements in; lines that are none are noted as lost."""
        for each in statements:
            match each:
                case Assign(target=target, formula=right, line=line):
                    self.define(target, self.resolved(right), line)
                case Branch():
                    self._branch(each)
                case Unread(text=text, line=line):
                    self.source.lose(line, f"'{text[:80]}' is no assignment and was passed over")

    def resolved(self, formula: ast.expr) -> ast.expr:
        """A formula over what names stand for now, the normal distribution function written out."""
        return mapped(replaced(formula, self.meaning), self._normal)

    def _normal(self, each: ast.expr) -> ast.expr:
        match each:
            case ast.Call(func=ast.Name(id=function), args=[at]) if function.lower() == "phi":
                free = 1
                while f"{PREFIX}{free}" in self.source.definitions or f"{PREFIX}{free}" in self.meaning:
                    free += 1
                argument = f"{PREFIX}{free}_OF"
                self.source.definitions[argument] = at
                self.source.definitions[f"{PREFIX}{free}"] = distribution(argument)
                return name(f"{PREFIX}{free}")
        return each

    def define(self, target: str, formula: ast.expr, line: int) -> None:
        """Let a name stand for a formula from here on: written out if it is a name or number, else by its name."""
        if isinstance(formula, ast.Name | ast.Constant) or _negative(formula):
            self.meaning[target] = formula
            self.source.lines.setdefault(target, line)
            return
        version, word = 1, target
        while word in self.source.definitions or (version > 1 and word in self.meaning):
            version += 1
            word = f"{target}_{version}"
        self.source.definitions[word] = formula
        self.source.lines[word] = line
        self.meaning[target] = name(word)

    def _branch(self, branch: Branch) -> None:
        test = self.decide(folded(self.resolved(branch.test)), branch.line)
        outcome = decided(test)
        if outcome is not None:
            self.follow(branch.yes if outcome else branch.no)
            return
        before = dict(self.meaning)
        self.follow(branch.yes)
        taken, self.meaning = self.meaning, dict(before)
        self.follow(branch.no)
        otherwise = self.meaning
        self.meaning = dict(before)
        for target in [*taken, *(word for word in otherwise if word not in taken)]:
            yes, no = taken.get(target, ZERO), otherwise.get(target, ZERO)
            if ast.dump(yes) != ast.dump(no) or target not in before:
                self.define(target, self._either(test, yes, no), branch.line)

    def _either(self, test: ast.expr, yes: ast.expr, no: ast.expr) -> ast.expr:
        """One or the other; ``no*f`` or ``no`` as ``no`` times ``f`` or 1, so that what is common stands once."""
        if isinstance(yes, ast.Name) and yes.id in self.source.definitions and isinstance(no, ast.Name):
            above, below = factors(self.source.definitions[yes.id], self.source.covariates)
            common = next((each for each in above if same(each, no)), None)
            if common is not None:
                above.remove(common)
                return folded(ast.BinOp(no, ast.Mult(), chosen(test, product(above, below), ONE)))
        return folded(chosen(test, yes, no))


def _negative(formula: ast.expr) -> bool:
    return isinstance(formula, ast.UnaryOp) and isinstance(formula.operand, ast.Constant)
