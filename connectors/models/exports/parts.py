"""What every export needs of a model: its formulas in another language, where doses enter, effects in blocks.

Branches become statements of their own before the formula that has them, so that languages without a conditional
expression can say them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from connectors.models.formulas import factors, product, summands, words
from twin.model.formula import arguments_of, is_input, is_record
from twin.model.spec import Model, OutputSpec, StateSpec
from twin.observation.kinds import kind_of


class ExportError(ValueError):
    """A model that another program's language cannot say; the message names what of it, and what to do."""


@dataclass(frozen=True, slots=True)
class Dose:
    """Doses of a drug into a state, by number from 1: what part of them, how late and over how long, as formulas."""

    state: int
    drug: str
    fraction: ast.expr | None
    lag: ast.expr | None
    duration: ast.expr | None


@dataclass(slots=True)
class Lines:
    """Formulas of the model language as code: ``names`` as they are called there, statements before them in `before`.

    ``power`` writes a power, ``assign`` an assignment to a new name, ``branch`` one where a test holds.
    """

    names: Mapping[str, str]
    power: Callable[[str, str], str]
    assign: Callable[[str, str], str]
    branch: Callable[[str, str, str], str]
    functions: Mapping[str, str]
    before: list[str] = field(default_factory=list)
    count: int = 0
    prefix: str = "W"

    def said(self, node: ast.expr) -> str:
        """A formula as code.

        Raises:
            ExportError: it asks the record.
        """
        match node:
            case ast.Constant(value=int() | float() as written):
                return repr(float(written))
            case ast.Name(id="clock"):
                raise ExportError("reads the time of day (clock), which no data item says; write it as a covariate")
            case ast.Name(id=word):
                return self.names.get(word, word)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self.said(operand)})"
            case ast.UnaryOp(operand=operand):
                return self.said(operand)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.power(self.said(left), self.said(right))
            case ast.BinOp(left=left, op=operator, right=right):
                sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}[type(operator)]
                return f"({self.said(left)} {sign} {self.said(right)})"
            case ast.Call() if is_record(node):
                raise ExportError(
                    f"reads the record, {ast.unparse(node)}, which no data item says; write it as a covariate"
                )
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self._called(function, arguments)
        raise ExportError(f"has '{ast.unparse(node)}', which cannot be said there")

    def _called(self, function: str, arguments: list[ast.expr]) -> str:
        if function == "where":
            return self._either(arguments[0], arguments[1], arguments[2])
        if function == "pow":
            return self.power(self.said(arguments[0]), self.said(arguments[1]))
        if function == "tanh":
            twice = f"{self.functions['exp']}(2.0*{self.said(arguments[0])})"
            return f"(({twice} - 1.0)/({twice} + 1.0))"
        if function in ("min", "max"):
            found = arguments[0]
            for each in arguments[1:]:
                test: list[ast.cmpop] = [ast.Lt() if function == "min" else ast.Gt()]
                found = ast.Call(ast.Name("where", ast.Load()), [ast.Compare(found, test, [each]), found, each], [])
            return self.said(found)
        return f"{self.functions[function]}({self.said(arguments[0])})"

    def _either(self, test: ast.expr, yes: ast.expr, no: ast.expr) -> str:
        assert isinstance(test, ast.Compare)
        sign = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}[
            type(test.ops[0])
        ]
        asked = f"{self.said(test.left)} {sign} {self.said(test.comparators[0])}"
        otherwise, meant = self.said(no), self.said(yes)
        self.count += 1
        word = f"{self.prefix}{self.count}"
        self.before += [self.assign(word, otherwise), self.branch(asked, word, meant)]
        return word

    def statement(self, word: str, node: ast.expr) -> list[str]:
        """A formula as the value of a name, with what stands before it."""
        said = self.said(node)
        found = [*self.before, self.assign(word, said)]
        self.before.clear()
        return found


def plain_states(model: Model) -> tuple[list[StateSpec], list[ast.expr], list[Dose]]:
    """States with their changes apart from doses, and the doses.

    Raises:
        ExportError: doses that enter otherwise than a part of them at once, late, or evenly.
    """
    changes: list[ast.expr] = []
    doses: list[Dose] = []
    for number, state in enumerate(model.states, start=1):
        rest: list[ast.expr] = []
        for term in _terms(state.derivative):
            calls = [node for node in ast.walk(term) if is_input(node)]
            if not calls:
                rest.append(term)
                continue
            doses.append(_dose(model, number, state, term, calls))
        change: ast.expr = rest[0] if rest else ast.Constant(0.0)
        for term in rest[1:]:
            change = ast.BinOp(change, ast.Add(), term)
        changes.append(change)
    return list(model.states), changes, doses


def _terms(formula: ast.expr) -> list[ast.expr]:
    """What a sum adds, differences as negative terms."""
    match formula:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _terms(left) + _terms(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _terms(left) + [ast.UnaryOp(ast.USub(), each) for each in summands(right)]
    return [formula]


def _dose(model: Model, number: int, state: StateSpec, term: ast.expr, calls: list[ast.AST]) -> Dose:
    above, below = factors(term)
    call = calls[0]
    if len(calls) > 1 or not isinstance(call, ast.Call) or not any(each is call for each in above):
        raise ExportError(
            f"has doses in '{ast.unparse(term)}' of {state.name}, which is no part of a dose; write it as one"
        )
    function, words_of, options = arguments_of(ast.unparse(call))
    if function != "input":
        raise ExportError(
            f"has {function}() in {state.name}, which is no dose into a compartment there; write it as states"
        )
    others = [each for each in above if each is not call]
    fraction = product(others, below) if others or below else None
    drug = words_of[0]
    scale = model.input_scale.get(drug)
    if scale is not None:
        fraction = ast.Constant(scale) if fraction is None else ast.BinOp(ast.Constant(scale), ast.Mult(), fraction)
    constants = set(model.individual_names) | {c.name for c in model.covariates}
    if fraction is not None and not words(fraction) <= constants:
        raise ExportError(f"has a part of a dose into {state.name} that changes with time; write it as a constant")
    return Dose(number, drug, fraction, options.get("lag"), options.get("duration"))


def blocks(names: Collection[str], omega: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> list[list[int]]:
    """Positions of effects in groups that vary together, in file order."""
    left = list(range(len(names)))
    found: list[list[int]] = []
    while left:
        group, ahead = [], [left.pop(0)]
        while ahead:
            at = ahead.pop()
            group.append(at)
            near = [other for other in left if omega[at, other] != 0]
            left = [other for other in left if other not in near]
            ahead += near
        found.append(sorted(group))
    return found


def continuous(model: Model) -> tuple[list[OutputSpec], list[str]]:
    """Outputs that scatter around a prediction by a law that is said elsewhere too, and what is left out, in words.

    Raises:
        ExportError: there is none.
    """
    found: list[OutputSpec] = []
    lost: list[str] = []
    for output in model.outputs:
        error = output.error
        if kind_of(output).discrete or kind_of(output).awaited:
            lost.append(f"output {output.name} ({output.kind})")
            continue
        if error.kind in ("box_cox", "none", "poisson", "negative_binomial"):
            lost.append(f"output {output.name}, whose error is {error.kind}")
            continue
        for there, what in (
            (error.df, "Student-t"),
            (error.outliers, "outliers"),
            (error.replicate_correlation, "replicates"),
        ):
            if there is not None:
                lost.append(f"of the error of {output.name}: {what}")
        found.append(output)
    if not found:
        raise ExportError("has no output with a residual error, so nothing is observed there")
    if model.drift is not None:
        lost.append("drift of parameters")
    if model.targets or model.toxicities:
        lost.append("targets and toxicities")
    return found, lost


def unique(words_of: Collection[str], changed: Callable[[str], str], taken: Collection[str] = ()) -> dict[str, str]:
    """A name of another language for each word, no two the same."""
    found: dict[str, str] = {}
    for word in words_of:
        base = plain = changed(word)
        at = 1
        while plain in found.values() or plain in taken:
            at += 1
            plain = f"{re.sub(r'_?$', '', base)}_{at}"
        found[word] = plain
    return found
