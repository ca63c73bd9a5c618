"""Source of the inner loop: particles through a schedule of steps.

Particles are taken in groups of `LANES`, whose states and parameters lie in the rows of one small array; within a step
the same arithmetic runs down a row, so that the compiler can do several particles with one instruction. The step
sequence is the same for all, and nothing depends on who else is in a group, so a cloud may be cut anywhere without
changing a bit.

A particle's linear block lives in the eigenbasis of A (z = W x, W = V^-1), where a quarter step is

    z <- e z + f c,     c = W (B u + b),    e = exp(lambda h / 4),    f = (e - 1) / lambda,

exact for a constant input; the stepped states follow by Butcher's Runge-Kutta scheme of order 5, which needs the
drivers just at quarters of a step.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from typing import Any

from twin.kernel.arguments import Inputs, Steps, System
from twin.kernel.loops.shared_parts import Statement, economical
from twin.kernel.source import Lines, Scope
from twin.model.structure import Equation

LANES = 32
"""Particles of a group: few enough for the first-level cache, enough for any vector width."""

QUARTERS = 5
"""Points of a step at which its stages look: its begin, quarters and end."""

BUTCHER_STAGES: tuple[tuple[int, dict[int, str]], ...] = (
    (0, {}),
    (1, {1: "0.25"}),
    (1, {1: "0.125", 2: "0.125"}),
    (2, {2: "-0.5", 3: "1.0"}),
    (3, {1: "0.1875", 4: "0.5625"}),
    (4, {1: "(-3.0 / 7.0)", 2: "(2.0 / 7.0)", 3: "(12.0 / 7.0)", 4: "(-12.0 / 7.0)", 5: "(8.0 / 7.0)"}),
)
"""Butcher's Runge-Kutta scheme of order 5 (1964): per stage its node in quarters of a step, and weights of stages."""

BUTCHER_WEIGHTS = {1: "(7.0 / 90.0)", 3: "(32.0 / 90.0)", 4: "(12.0 / 90.0)", 5: "(32.0 / 90.0)", 6: "(7.0 / 90.0)"}
"""Weights of the stages in the step: those of Boole's rule."""

IMPORTS = ("import numpy as np", "", "from twin.kernel.vector_math import cos, exp, expm1, fma, log, power, sin, tanh")


def write_advance(lines: Lines, scope: Scope) -> None:
    """Add the function ``advance`` (`twin.kernel.arguments.Advance`)."""
    Stepper(lines, scope).write()


class Stepper:
    """Writes ``advance``: knows which row of the work array holds what."""

    def __init__(self, lines: Lines, scope: Scope) -> None:
        model, structure = scope.model, scope.structure
        self.lines = lines
        self.scope = scope
        self.model = model
        self.structure = structure
        self.parameters = scope.individual
        self.size = len(structure.linear)
        held = {scope.names[name] for name in (*self.parameters, *(c.name for c in model.covariates))}
        self.constants = _Constants(held | set(scope.record))
        self.rates = {name: self._rate(structure.equations[name]) for name in structure.stepped}
        self.prepare()
        rows = [f"p_{name}" for name in self.parameters] + list(self.constants.found.values())
        rows += [f"{kind}{i}" for kind in "zlcef" for i in range(self.size)]
        rows += [f"v_{d}_{i}" for d in structure.drivers for i in range(self.size)]
        rows += [f"y{i}" for i in range(len(structure.stepped))]
        rows += self.further_rows()
        self.place = {name: number for number, name in enumerate(rows)}
        self.rows = {name: f"s[{number}, p]" for name, number in self.place.items()}

    def prepare(self) -> None:
        """Take out of the formulas what this way of stepping needs of them besides their rates."""

    def further_rows(self) -> list[str]:
        """Names of rows that this way of stepping needs besides."""
        return []

    def passed(self) -> dict[str, tuple[str, ...]]:
        """How ``advance`` passes on what its named tuples hold, and what that is called in ``_advance``."""
        steps = {f"steps.{field}": (field,) for field in Steps._fields if field != "inputs"}
        return {"*system": System._fields, **steps, "*steps.inputs": Inputs._fields}

    def write_heads(self) -> None:
        """Add ``advance`` and the head of the function that does its work.

        Numba would take the tuples as they are, but to look into them adds a third to a short stretch of one patient.
        """
        add, passed = self.lines.add, self.passed()
        variables = ", ".join(variable for each in passed.values() for variable in each)
        add(0, "def advance(z, y, cov, system, steps, out):")
        add(1, f"_advance(z, y, cov, {', '.join(passed)}, out)")
        add(0, "", "")
        self.lines.compiled(f"_advance(z, y, cov, {variables}, out)")
        self.scope.bind_covariates(self.lines)

    def write(self) -> None:
        """Add both functions."""
        add = self.lines.add
        self.write_heads()
        add(1, f"s = np.empty(({max(1, len(self.rows))}, {LANES}))")
        add(1, f"for first in range(0, par.shape[0], {LANES}):", f"    count = min({LANES}, par.shape[0] - first)")
        self.load()
        add(2, "previous = -1.0", "held = -1", "for k in range(dt.shape[0]):")
        self._kicks()
        self._input()
        self._factors()
        add(3, "time0 = start[k]")
        self.stride(3, ())
        add(3, "if mark[k] >= 0:", "    time = time0 + h", "    for p in range(count):")
        self._outputs()
        self._store()

    def _store(self) -> None:
        """A group's states out of the work array."""
        self.lines.add(2, "for p in range(count):", "    pass")
        self._each(3, "z", self.size, "z[first + p, i] = {row}")
        self._each(3, "y", len(self.structure.stepped), "y[first + p, i] = {row}")

    def _each(self, depth: int, rows: str, count: int, *statements: str) -> None:
        """A loop over ``count`` rows from ``{rows}0`` on, the i-th being ``{row}``: short code is compiled sooner."""
        if count:
            row = f"s[{self.place[f'{rows}0']} + i, p]"
            lines = (f"    {statement.format(row=row)}" for statement in statements)
            self.lines.add(depth, f"for i in range({count}):", *lines)

    def load(self) -> None:
        """A group into the work array; a short group repeats its last particle."""
        add = self.lines.add
        add(2, f"for p in range({LANES}):", "    n = first + min(p, count - 1)")
        add(3, f"for i in range({len(self.parameters)}):", "    s[i, p] = par[n, i]")
        self.bind(3, self.constants.found)
        add(3, *(f"{self.rows[name]} = {source}" for source, name in self.constants.found.items()))
        self._each(3, "z", self.size, "{row} = z[n, i]")
        self._each(3, "l", self.size, "{row} = lam[n, i]")
        for d in self.structure.drivers:
            self._each(3, f"v_{d}_", self.size, f"{{row}} = v[n, {self.structure.linear.index(d)}, i]")
        self._each(3, "y", len(self.structure.stepped), "{row} = y[n, i]")

    def _kicks(self) -> None:
        """Impulses at the start of a step: of an input (column >= 0) or the reset of a state to zero (column < 0).

        A reset names its state by ``-1 - i``, i counting the linear states first and the stepped ones after them.
        """
        add, size = self.lines.add, self.size
        add(3, "for j in range(kick_from[k], kick_from[k + 1]):", "    column = kick_column[j]")
        add(4, f"for p in range({LANES}):", "    n = first + min(p, count - 1)", "    amount = kick_amount[j]")
        add(5, "if column < 0:", "    r = -1 - column", f"    if r < {size}:", "        amount = 0.0")
        self._each(7, "z", size, "amount -= v[n, r, i] * {row}")
        self._each(7, "z", size, "{row} += w[n, i, r] * amount")
        self.emptied(6)
        add(5, "else:")
        self._impulse(6, self.structure.inputs)

    def emptied(self, depth: int) -> None:
        """The reset of state ``r``, if it is one of the stepped states."""
        for i, name in enumerate(self.structure.stepped):
            nothing = "-np.inf" if name in self.structure.growing else "0.0"
            self.lines.add(depth, f"if r == {self.size + i}:", f"    {self.rows[f'y{i}']} = {nothing}")

    def _impulse(self, depth: int, calls: Sequence[str]) -> None:
        """An impulse ``amount`` of the input ``column``, one of ``calls``, into lane p of particle n."""
        add = self.lines.add
        add(depth, "pass")
        self._each(depth, "z", self.size, "{row} += bw[n, i, column] * amount")
        for column, call in enumerate(self.structure.inputs):
            for i, name in enumerate(self.structure.stepped):
                coefficient = self.structure.equations[name].inputs.get(call)
                if coefficient is not None and call in calls:
                    add(depth, f"if column == {column}:")
                    self.bind(depth + 1, [self._source(coefficient)])
                    add(depth + 1, f"{self.rows[f'y{i}']} += ({self._source(coefficient)}) * amount")

    def _input(self) -> None:
        add = self.lines.add
        add(3, "if row[k] != held:", "    held = row[k]", f"    for p in range({LANES}):")
        add(5, "n = first + min(p, count - 1)")
        terms = "".join(f" + bw[n, i, {j}] * rates[held, {j}]" for j in range(len(self.structure.inputs)))
        self._each(5, "c", self.size, f"{{row}} = cw[n, i]{terms}")

    def _factors(self) -> None:
        add = self.lines.add
        add(3, "h = dt[k]", "quarter = 0.25 * h")
        if not self.size:
            return
        add(3, "if h != previous:", "    previous = h")
        for i in range(self.size):
            add(4, f"for p in range({LANES}):")
            self._factor(5, i)

    def _factor(self, depth: int, i: int) -> None:
        # Near a zero eigenvalue (an area under a curve) the quotient is 0/0; its limit is the step itself.
        self.lines.add(
            depth,
            f"rate = {self.rows[f'l{i}']}",
            "q = expm1(rate * quarter)",
            f"{self.rows[f'e{i}']} = q + 1.0",
            f"{self.rows[f'f{i}']} = q / rate if abs(rate * quarter) > 1e-12 else quarter",
        )

    def stride(self, depth: int, own: Sequence[str]) -> None:
        """Add a step of all particles of a group; ``own`` says what is different in each of them."""
        self.lines.add(depth, f"for p in range({LANES}):")
        self.lines.add(depth + 1, *own)
        self._step(depth + 1)

    def _step(self, depth: int) -> None:
        add = self.lines.add
        self.bind(depth, self.rates.values())
        add(depth, *(f"y{i} = {self.rows[f'y{i}']}" for i in range(len(self.structure.stepped))))
        for i in range(self.size):
            add(depth, f"p0_{i} = {self.rows[f'z{i}']}")
            e, f, c = (self.rows[f"{kind}{i}"] for kind in "efc")
            add(depth, f"g_{i} = {f} * {c}", *(f"p{j + 1}_{i} = fma({e}, p{j}_{i}, g_{i})" for j in range(4)))
        for stage, (quarter, weights) in enumerate(BUTCHER_STAGES, start=1):
            if self.structure.stepped:
                self._stage(depth, stage, quarter, weights)
        for i in range(len(self.structure.stepped)):
            add(depth, f"{self.rows[f'y{i}']} = {_incremented(f'y{i}', BUTCHER_WEIGHTS, i)}")
        add(depth, *(f"{self.rows[f'z{i}']} = p4_{i}" for i in range(self.size)), "pass")

    def _stage(self, depth: int, stage: int, quarter: int, weights: dict[int, str]) -> None:
        add = self.lines.add
        add(depth, f"time = time0 + {quarter} * quarter")
        self.at_stage(depth, quarter)
        for d in self.structure.drivers:
            modes = [(self.rows[f"v_{d}_{i}"], f"p{quarter}_{i}") for i in range(self.size)]
            add(depth, f"m_{d} = {sum_of_products(modes)}")
        for i, name in enumerate(self.structure.stepped):
            add(depth, f"m_{name} = {self.natural(name, _incremented(f'y{i}', weights, i))}")
        self.compute(depth, [(f"k{stage}_{i}", self.rates[name]) for i, name in enumerate(self.structure.stepped)])

    def compute(self, depth: int, statements: Sequence[Statement]) -> None:
        """Add assignments that read nothing of one another; what many of them have in common is computed once."""
        self.lines.add(depth, *(f"{target} = {value}" for target, value in economical(statements)))

    def at_stage(self, depth: int, quarter: int | None) -> None:
        """Add what a stage at this quarter of a step needs besides, or at ``time`` between them (`between`)."""

    def _rate(self, equation: Equation) -> str:
        """Source of a stepped state's rate of change; what in it is the same at every step is computed once."""
        terms = [] if equation.rest is None else [f"({self.constants.taken_out(self._source(equation.rest))})"]
        for column, call in enumerate(self.structure.inputs):
            if call in equation.inputs:
                terms.append(f"({self._source(equation.inputs[call])}) * {self.rate_of(call, column)}")
        return " + ".join(terms) or "0.0"

    def rate_of(self, call: str, column: int) -> str:  # noqa: ARG002 (a late input is not a column)
        """Source of the rate at which an input enters within a step."""
        return f"rates[held, {column}]"

    def _outputs(self) -> None:
        add = self.lines.add
        shown = [self._source(output.expression) for output in self.model.outputs]
        shown += [self._source(target.expression) for target in self.model.targets]
        shown += [self._source(formula) for output in self.model.outputs for formula in output.further]
        self.bind(5, shown)
        read = names_read(shown)
        for r, name in enumerate(self.structure.linear):
            if f"m_{name}" in read:
                add(5, f"m_{name} = 0.0")
                self._each(5, "z", self.size, f"m_{name} += v[first + p, {r}, i] * {{row}}")
        for i, name in enumerate(self.structure.stepped):
            if f"m_{name}" in read:
                add(5, f"m_{name} = {self.natural(name, self.rows[f'y{i}'])}")
        self.compute(5, [(f"out[mark[k], {i}, first + p]", value) for i, value in enumerate(shown)])

    def bind(self, depth: int, sources: Iterable[str]) -> None:
        """Local variables for the parameters and constants that these sources read."""
        read = names_read(sources)
        bound = {f"m_{name}": f"p_{name}" for name in self.parameters}
        bound |= {name: name for name in self.constants.found.values()}
        self.lines.add(depth, *(f"{name} = {self.rows[row]}" for name, row in bound.items() if name in read))

    def natural(self, name: str, value: str) -> str:
        return f"exp({value})" if name in self.structure.growing else value

    def _source(self, expression: ast.expr) -> str:
        return ast.unparse(_InLanes().visit(ast.parse(self.scope.source(expression), mode="eval")))


WHOLE_POWERS = frozenset({2.0, 3.0, 4.0, 5.0, 6.0})
"""Powers that are written as products."""


class _InLanes(ast.NodeTransformer):
    """Functions of ``math`` become those of `twin.kernel.vector_math`; small whole powers become products."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("exp", "log", "sin", "cos", "tanh"):
            node.func = ast.Name(node.func.attr, ast.Load())
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Pow):
            return node
        exponent = node.right.value if isinstance(node.right, ast.Constant) else None
        if isinstance(exponent, float) and exponent in WHOLE_POWERS:
            # Also of a negative base, of which `power` knows no logarithm.
            product: ast.expr = node.left
            for _ in range(int(exponent) - 1):
                product = ast.BinOp(product, ast.Mult(), node.left)
            return product
        return ast.Call(ast.Name("power", ast.Load()), [node.left, node.right], [])


class _Constants(ast.NodeTransformer):
    """Takes out of formulas what depends on parameters and covariates alone.

    A division by such a value becomes a product with its reciprocal, and in (a / x)**g the logarithm of a is taken
    once: divisions and logarithms are what a step waits for.

    Attributes:
        found: source of each constant and the name that stands for it.
    """

    def __init__(self, constant_names: set[str]) -> None:
        self._names = constant_names
        self.found: dict[str, str] = {}

    def taken_out(self, source: str) -> str:
        """The formula with constants in their places."""
        return ast.unparse(self.visit(ast.parse(source, mode="eval")))

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and not isinstance(node, ast.Name | ast.Constant) and self._is_constant(node):
            return self._constant(node)
        return super().visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        if isinstance(node.op, ast.Div) and self._is_constant(node.right):
            reciprocal = self._constant(ast.BinOp(ast.Constant(1.0), ast.Div(), node.right))
            return ast.BinOp(self.visit(node.left), ast.Mult(), reciprocal)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(ast.Name("power"), [ast.BinOp(left, ast.Div(), right), exponent]) if self._is_constant(left):
                above = self._constant(ast.Call(ast.Name("log"), [left], []))
                below = ast.Call(ast.Name("log"), [self.visit(right)], [])
                difference = ast.BinOp(above, ast.Sub(), below)
                return ast.Call(ast.Name("exp"), [ast.BinOp(self.visit(exponent), ast.Mult(), difference)], [])
        return ast.Call(node.func, [self.visit(argument) for argument in node.args], [])

    def _is_constant(self, node: ast.expr) -> bool:
        functions = {id(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) not in functions}
        return names <= self._names

    def _constant(self, node: ast.expr) -> ast.Name:
        source = ast.unparse(node)
        return ast.Name(self.found.setdefault(source, f"i_{len(self.found)}"), ast.Load())


def names_read(sources: Iterable[str]) -> frozenset[str]:
    """Names in expressions given as source text."""
    trees = (ast.walk(ast.parse(source, mode="eval")) for source in sources)
    return frozenset(node.id for tree in trees for node in tree if isinstance(node, ast.Name))


def _incremented(value: str, weights: dict[int, str], state: int) -> str:
    """``value`` and a step along the weighted slopes of earlier stages."""
    return (
        f"fma(h, {sum_of_products([(w, f'k{stage}_{state}') for stage, w in weights.items()])}, {value})"
        if weights
        else value
    )


def between(quarters: Sequence[str]) -> str:
    """The value between a step's quarters of what is known at these, by Lagrange's polynomial; ``share0`` and so on
    are its weights."""
    return sum_of_products([(f"share{quarter}", value) for quarter, value in enumerate(quarters)])


def sum_of_products(pairs: Sequence[tuple[str, str]]) -> str:
    """a1 b1 + a2 b2 + ..., each product fused with the sum so far."""
    total = " * ".join(pairs[0])
    for one, other in pairs[1:]:
        total = f"fma({one}, {other}, {total})"
    return total
