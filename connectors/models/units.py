"""Units of a source's names, worked out from its formulas: doses are mg, volumes litres, sums add like to like.

Each name has an unknown unit, a product of powers of mg, L, the time unit and the units of covariates; each formula
gives linear equations of the exponents (Kennedy 1994, ESOP '94: dimension inference). Numbers written in formulas are
read as `twin.modelfile.dimensions` reads them. Where the equations contradict one another, or leave a power that is not
whole, there is no reading, and the file has plain numbers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from connectors.models.drawn import Drawn
from connectors.models.formulas import value
from twin.model.formula import is_record

Form = dict[str, Fraction]
"""A unit as exponents: of known units by their code after ``#``, of unknown ones by the name that has it."""

_ZERO: Form = {}
WHY = "worked out from the formulas with doses in mg and volumes in L; the source states none"


@dataclass(frozen=True, slots=True)
class Units:
    """Units by name, and in words why they are those."""

    by_name: Mapping[str, str]
    bare: bool = False
    """Whether time and covariates stand in formulas as plain numbers."""

    @property
    def why(self) -> str:
        return f"{WHY}; time and covariates enter as plain numbers" if self.bare else WHY

    def of(self, word: str) -> str:
        return self.by_name.get(word, "1")


@dataclass(slots=True)
class _Part:
    """The unit of a part of a formula; ``form`` is ``None`` of a bare number, ``free`` of what has one as a factor."""

    form: Form | None
    free: bool = False
    covariate: bool = False


def infer(
    drawn: Drawn, time: str, known: Mapping[str, str], covariates: Mapping[str, str], *, bare: bool = False
) -> Units | None:
    """Units of parameters, definitions, states, outputs and covariates; ``None`` where there is no one reading.

    ``known`` are given, and those of ``covariates``; ``bare`` takes time and covariates as plain numbers.
    """
    work = _Equations(time, dict.fromkeys(drawn.covariates, "1") if bare else covariates, bare=bare)
    for word, unit in known.items():
        work.equal({word: Fraction(1)}, _of_code(unit, time))
    work.read(drawn)
    if not work.solve():
        return None
    names = [p.name for p in drawn.parameters] + list(drawn.definitions) + [s.name for s in drawn.source.states]
    names += [o.name for o in drawn.source.observed]
    names += [] if bare else [word for word in drawn.covariates if word not in covariates]
    found: dict[str, str] = {}
    for word in names:
        code = known.get(word) or _code(work.solution({word: Fraction(1)}))
        if code is None:
            return None
        found[word] = code
    return Units(found, bare)


def _of_code(unit: str, time: str) -> Form:
    """The exponents of a simple code such as mg/L or mL/min; another one is a unit of its own."""
    if unit == "1":
        return {}
    found: Form = {}
    above, *below = unit.split("/")
    for sign, part in [(1, above), *((-1, each) for each in below)]:
        for symbol in part.split("."):
            if symbol == "1" or not symbol:
                continue
            if not re.fullmatch(r"[A-Za-z\[\]]+", symbol):
                return {f"#{unit}": Fraction(1)}
            found[f"#{symbol}"] = found.get(f"#{symbol}", Fraction(0)) + sign
    _ = time
    return {symbol: power for symbol, power in found.items() if power}


def _code(form: Form | None) -> str | None:
    if form is None or any(power.denominator != 1 for power in form.values()):
        return None
    above = [_power(symbol, power) for symbol, power in sorted(form.items(), key=_order) if power > 0]
    below = [_power(symbol, -power) for symbol, power in sorted(form.items(), key=_order) if power < 0]
    if any("/" in symbol for symbol in form):
        return None if len(form) > 1 else next(iter(form))[1:]
    return (".".join(above) or "1") + "".join(f"/{each}" for each in below)


def _order(item: tuple[str, Fraction]) -> tuple[int, str]:
    symbol = item[0]
    return (["#mg", "#ug", "#L"].index(symbol) if symbol in ("#mg", "#ug", "#L") else 9, symbol)


def _power(symbol: str, power: Fraction) -> str:
    plain = symbol[1:]
    if power == 1:
        return plain
    return f"{plain}{int(power)}" if plain[-1].isalpha() else f"({plain}){int(power)}"


class _Equations:
    def __init__(self, time: str, covariates: Mapping[str, str], *, bare: bool) -> None:
        self.bare = bare
        self.time = {f"#{time}": Fraction(1)}
        self.covariates = {word: _of_code(unit, time) for word, unit in covariates.items()}
        self.hard: list[Form] = []
        self.soft: list[Form] = []
        self.rows: dict[str, Form] = {}
        self.unknown: set[str] = set()
        self.characteristics: set[str] = set()

    # --- equations ---------------------------------------------------------------------------------------------------

    def equal(self, one: Form, other: Form, *, soft: bool = False) -> None:
        (self.soft if soft else self.hard).append(_plus(one, other, -1))

    def read(self, drawn: Drawn) -> None:
        source = drawn.source
        self.unknown = {p.name for p in drawn.parameters} | set(drawn.definitions) | {s.name for s in source.states}
        self.characteristics = set(drawn.covariates)
        self.unknown |= self.characteristics - set(self.covariates)
        for parameter in drawn.parameters:
            self._is(parameter.name, parameter.expression)
        for word, formula in drawn.definitions.items():
            self._is(word, formula)
        for state in source.states:
            own = {state.name: Fraction(1)}
            self._is(state.name, state.initial)
            part = self.part(state.derivative)
            if part.form is not None:
                self.equal(part.form, _plus(own, self.time, -1))
        for entry in source.entries:
            dose: Form = {"#mg": Fraction(1)}
            part = _Part(None) if entry.fraction is None else self.part(entry.fraction)
            self.equal({entry.state: Fraction(1)}, dose if part.form is None else _plus(dose, part.form, 1))
            if part.form is not None:
                self.equal(part.form, _ZERO, soft=True)
            for late in (entry.lag, entry.duration):
                found = _Part(None) if late is None else self.part(late)
                if found.form is not None:
                    self.equal(found.form, self.time)
        for output in source.observed:
            if output.expression is not None:
                self.unknown.add(output.name)
                self._is(output.name, output.expression)
            if output.hazard is not None:
                self._agree(output.hazard, _plus(_ZERO, self.time, -1))
            for each in output.categories:
                self._agree(each, _ZERO)
        for word in sorted(self.unknown):
            if re.match(r"(TV)?V(\d|C|P|M|SS|d)?\d*(_i|B)?$", word):
                self.equal({word: Fraction(1)}, {"#L": Fraction(1)}, soft=True)
        for output in source.observed:
            if output.expression is not None and source.entries:
                self.equal({output.name: Fraction(1)}, {"#mg": Fraction(1), "#L": Fraction(-1)}, soft=True)

    def _is(self, word: str, formula: ast.expr | None) -> None:
        if formula is not None:
            self._agree(formula, {word: Fraction(1)})

    def _agree(self, formula: ast.expr, wanted: Form) -> None:
        part = self.part(formula)
        if part.form is not None:
            self.equal(part.form, wanted)
        else:
            self.equal(wanted, _ZERO, soft=True)

    # --- formulas ----------------------------------------------------------------------------------------------------

    def part(self, node: ast.expr) -> _Part:
        match node:
            case ast.Constant():
                return _Part(None)
            case ast.Name(id=word):
                return self._named(word)
            case ast.UnaryOp(operand=operand):
                found = self.part(operand)
                return _Part(found.form, found.free)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
                return self._alike([self.part(left), self.part(right)], summed=True)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                if 0 in (value(left), value(right)):
                    return _Part(None)
                return self._times(self.part(left), self.part(right), 1)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._times(self.part(left), self.part(right), -1)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self._power(left, right)
            case ast.Compare(left=left, comparators=[right]):
                return self._alike([self.part(left), self.part(right)], summed=False)
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self._called(node, function, arguments)
        return _Part(None)

    def _named(self, word: str) -> _Part:
        if word == "t":
            return _Part({} if self.bare else dict(self.time))
        if word == "clock":
            return _Part({"#h": Fraction(1)})
        if word in self.covariates:
            return _Part(dict(self.covariates[word]), covariate=True)
        return _Part({word: Fraction(1)}, covariate=word in self.characteristics)

    def _called(self, node: ast.Call, function: str, arguments: list[ast.expr]) -> _Part:
        if is_record(node) and self.bare:
            return _Part({})
        if is_record(node):
            return _Part(
                {"dose": {"#mg": Fraction(1)}, "daily": {"#mg": Fraction(1)}, "count": {}, "after": {}}.get(
                    function, dict(self.time)
                )
            )
        if function in ("exp", "log", "sin", "cos", "tanh", "floor"):
            found = self.part(arguments[0])
            if found.form is not None and not found.free:
                self.equal(found.form, _ZERO)
            return _Part({})
        if function == "sqrt":
            found = self.part(arguments[0])
            return _Part(None if found.form is None else _scaled(found.form, Fraction(1, 2)), found.free)
        if function == "where":
            self.part(arguments[0])
            arguments = arguments[1:]
        return self._alike([self.part(each) for each in arguments], summed=False)

    def _alike(self, parts: list[_Part], *, summed: bool) -> _Part:
        told = [part for part in parts if part.form is not None]
        if not told:
            return _Part(None)
        first = told[0]
        assert first.form is not None
        if len(told) < len(parts) and summed:
            self.equal(first.form, _ZERO, soft=True)
        for other in told[1:]:
            assert other.form is not None
            self.equal(first.form, other.form, soft=first.free or other.free)
        return _Part(first.form, all(part.free for part in told))

    def _times(self, left: _Part, right: _Part, sign: int) -> _Part:
        if right.form is None:
            if sign == -1 and left.covariate:
                return _Part({})
            return _Part(left.form, free=left.form is not None)
        if left.form is None:
            return _Part(_scaled(right.form, Fraction(sign)), free=True)
        return _Part(_plus(left.form, right.form, sign), left.free or right.free)

    def _power(self, base: ast.expr, exponent: ast.expr) -> _Part:
        found, power, written = self.part(base), self.part(exponent), value(exponent)
        if written is not None:
            return _Part(
                None if found.form is None else _scaled(found.form, Fraction(written).limit_denominator(1000)),
                found.free,
            )
        for part in (found, power):
            if part.form is not None and not part.free:
                self.equal(part.form, _ZERO)
        return _Part({})

    # --- solving -----------------------------------------------------------------------------------------------------

    def solve(self) -> bool:
        """Whether the equations that must hold do; those that are likely are taken in as far as they go."""
        if not all(self._take(equation) for equation in self.hard):
            return False
        for equation in self.soft:
            self._take(equation)
        for word in sorted(self.unknown):
            self._take({word: Fraction(1)})
        return True

    def _take(self, equation: Form) -> bool:
        left = self._reduced(equation)
        pivot = next((word for word in sorted(left) if not word.startswith("#")), None)
        if pivot is None:
            return not left
        row = _scaled({word: power for word, power in left.items() if word != pivot}, -1 / left[pivot])
        for word, other in self.rows.items():
            if pivot in other:
                times = other[pivot]
                rest = {each: power for each, power in other.items() if each != pivot}
                self.rows[word] = _plus(rest, _scaled(row, times), 1)
        self.rows[pivot] = row
        return True

    def _reduced(self, form: Form) -> Form:
        found: Form = {}
        for word, power in form.items():
            found = _plus(found, _scaled(self.rows[word], power) if word in self.rows else {word: power}, 1)
        return found

    def solution(self, form: Form) -> Form | None:
        found = self._reduced(form)
        return None if any(not word.startswith("#") for word in found) else found


def _plus(one: Form, other: Form, sign: int) -> Form:
    found = dict(one)
    for word, power in other.items():
        found[word] = found.get(word, Fraction(0)) + sign * power
    return {word: power for word, power in found.items() if power}


def _scaled(form: Form, by: Fraction) -> Form:
    return {word: power * by for word, power in form.items()} if by else {}
