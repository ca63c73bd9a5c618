"""Source of an inner loop for stiff equations: Rodas5P, a Rosenbrock scheme of order 5 (Steinebach 2023, BIT 63:27).

    (1 - gamma h J) k_i = gamma (h f(t + alpha_i h, u_i) + sum_j c_ij k_j + d_i h^2 df/dt),    u_i = y + sum_j a_ij k_j,
    y <- u_8 + k_8,    J = df/dy at the begin of the step

It is stable however fast a state comes back to its equilibrium, so that a step is as long as the course of the solution
allows. The Jacobian is that of the formulas (`twin.kernel.loops.derivative`), taken apart once a step by a plan that is
made with the source (`twin.kernel.loops.elimination`). Steps are those of `twin.solver.step_schedule`, the same for
all; the linear block is exact at each stage's node, and nothing depends on who else is in a group.

The loops here run over rows of the work array, and its lanes within them, so that there is one copy of the equations
and one of their Jacobian, whatever the number of stages, and a long plan is a table that is walked: a whole body of
a hundred compartments is compiled within a minute.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from twin.clock import UNIT_HOURS
from twin.kernel.loops.derivative import derivative, gradient, time_derivative
from twin.kernel.loops.elimination import eliminated
from twin.kernel.loops.shared_parts import Statement
from twin.kernel.loops.stepper import LANES, Stepper, names_read
from twin.kernel.source import Lines, Scope
from twin.model.linearity import linear_terms

GAMMA = 0.21193756319429014

NODES = (0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0)
"""alpha of the first six stages; that of the last two is 1 too."""

SHARES = (
    (),
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    (-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946),
)
"""a_ij of the first six stages; the last two have those of the sixth, and 1 for each k from there on."""

COUPLINGS = (
    (),
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471),
    (
        30.91273214028599,
        -3.1208243349937974,
        77.79954646070892,
        34.28646028294783,
        -19.097331116725623,
        -28.087943162872662,
    ),
    (
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ),
)
"""c_ij of the eight stages."""

IN_TIME = (0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069)
"""d_i of the first five stages; that of the others is 0."""

STAGES = len(COUPLINGS)

WRITTEN_OUT = 600
"""Operations of an elimination up to which they are written out, which is half again as fast as to walk a table of
them; thousands of them would be compiled for minutes."""


def write_implicit(lines: Lines, scope: Scope) -> None:
    """Add the function ``advance`` (`twin.kernel.arguments.Advance`)."""
    Rosenbrock(lines, scope).write()


class Rosenbrock(Stepper):
    def prepare(self) -> None:
        names = self.structure.stepped
        self.stepped = range(len(names))
        rests = [self.structure.equations[name].rest for name in names]
        gradients = [{} if rest is None else gradient(rest, names) for rest in rests]
        self.plan = eliminated(len(names), {(i, j) for i, found in enumerate(gradients) for j in found})
        self.plans = {"FACTOR": self.plan.factor, "SOLVE": (*self.plan.forward, *self.plan.backward)}
        self.short = sum(map(len, self.plans.values())) <= WRITTEN_OUT
        self.slopes: dict[tuple[int, int], str] = {}
        self.in_time: dict[int, list[str]] = {i: [] for i in self.stepped}
        self.steady = {} if self.short else self._steady(rests)
        for i, (rest, found) in enumerate(zip(rests, gradients, strict=True)):
            if rest is not None and i not in {row for row, _ in self.steady}:
                self._varying(i, rest, found)

    def _steady(self, rests: Sequence[ast.expr | None]) -> dict[tuple[int, int], str]:
        """Coefficients, each a constant of a particle that is kept in a row, of the equations that are sums of such and
        the states; what is left of these among the rates are the inputs."""
        names, found = self.structure.stepped, dict[tuple[int, int], str]()
        if self.structure.growing:
            return found
        self.constants.found.clear()
        for i, (name, rest) in enumerate(zip(names, rests, strict=True)):
            equation = self.structure.equations[name]
            terms = None if rest is None else linear_terms(rest, frozenset(names))
            written = {} if terms is None else {other: self._formula(each)[1:-1] for other, each in terms.items()}
            kept = {*self.constants.found.values(), *(f"m_{parameter}" for parameter in self.parameters)}
            if terms is not None and "" not in terms and kept.issuperset(written.values()):
                found |= {(i, names.index(other)): text for other, text in written.items()}
                equation = replace(equation, rest=None)
            self.rates[name] = self._rate(equation)
        return found

    def _varying(self, i: int, rest: ast.expr, slopes: Mapping[int, ast.expr]) -> None:
        """Slopes of one equation by the states, and by time through what changes with it."""
        names, growing = self.structure.stepped, self.structure.growing
        for j, found in slopes.items():
            # Of a state that is stepped as its logarithm: dm/dy = m.
            self.slopes[i, j] = self._formula(found) + (f" * m_{names[j]}" if names[j] in growing else "")
        if (in_time := time_derivative(rest, UNIT_HOURS[self.model.time_unit])) is not None:
            self.in_time[i].append(self._formula(in_time))
        for d in self.structure.drivers:
            if (of_driver := derivative(rest, d)) is not None:
                self.in_time[i].append(f"{self._formula(of_driver)} * slope_{d}")

    def _formula(self, tree: ast.expr) -> str:
        return f"({self.constants.taken_out(self._source(tree))})"

    def further_rows(self) -> list[str]:
        drivers, size = self.structure.drivers, range(self.size)
        rows = [f"k{stage}_{i}" for stage in range(STAGES) for i in self.stepped]
        rows += [f"{kind}{i}" for kind in ("u", "right", "x", "dt") for i in self.stepped]
        rows += [f"j{place}" for place in range(len(self.plan.place))]
        rows += [f"{kind}{node}_{i}" for kind in ("grown", "entered") for node in range(1, len(NODES)) for i in size]
        rows += [f"w{i}" for i in size]
        return rows + [f"at{node}_{d}" for node in range(len(NODES)) for d in drivers] + [f"slope_{d}" for d in drivers]

    def write(self) -> None:
        add = self.lines.add
        shares = [*SHARES, (*SHARES[-1], 1.0), (*SHARES[-1], 1.0, 1.0)]
        add(0, f"NODES = np.array({list(NODES)!r})", f"SHARES = np.array({_square(shares, 1.0)!r})")
        add(0, f"COUPLINGS = np.array({_square(COUPLINGS, GAMMA)!r})", f"IN_TIME = np.array({_row(IN_TIME, GAMMA)!r})")
        rows = {f"m_{name}": f"p_{name}" for name in self.parameters}
        steady = [(i, self.place[rows.get(value, value)], j) for (i, j), value in self.steady.items()]
        entries = [(self.plan.place[i, j], value, int(i == j)) for i, value, j in steady]
        tables = {} if self.short else {**self.plans, "STEADY": steady, "STEADY_ENTRIES": entries}
        for name, table in tables.items():
            add(0, f"{name} = np.array({[list(each) for each in table]!r}, dtype=np.int64).reshape(-1, 3)")
        add(0, "", "")
        super().write()

    def load(self) -> None:
        super().load()
        self.lines.add(2, "flat = s.reshape(-1)")

    def emptied(self, depth: int) -> None:
        if self.short or self.structure.growing:
            super().emptied(depth)
        else:
            self.lines.add(depth, f"if r >= {self.size}:", f"    s[{self.place['y0']} + r - {self.size}, p] = 0.0")

    # --- a step ------------------------------------------------------------------------------------------------------

    def stride(self, depth: int, own: Sequence[str]) -> None:
        count, add = len(self.stepped), self.lines.add
        self._at_nodes(depth)
        if not self.short:
            self._cleared(depth)
        add(depth, f"for p in range({LANES}):")
        add(depth + 1, *own)
        self._jacobian(depth + 1)
        if self.steady:
            self._steady_entries(depth)
        self._walked(depth + self.short, "FACTOR", ("j0", "j0", "j0"))
        add(depth, f"for stage in range({STAGES}):")
        self._coupled(depth + 1)
        add(depth + 1, f"node = min(stage, {len(NODES) - 1})", f"for p in range({LANES}):")
        add(depth + 2, *own)
        self._right_side(depth + 2)
        if not self.short:
            self._summed(depth + 1)
        self._walked(depth + 1 + self.short, "SOLVE", ("x0", "j0", "x0"))
        self._kept(depth + 1)
        add(depth, f"for p in range({LANES}):", "    pass")
        self._each(depth + 1, "y", count, f"{{row}} = {self._row('u0', 'i')} + {self._row('x0', 'i')}")
        if self.size:
            self._each(depth + 1, "z", self.size, f"{{row}} = {self._row('w0', 'i')}")

    def _row(self, first: str, *further: str) -> str:
        """The lane p of a row so many rows after one."""
        known = self.place[first] + sum(int(each) for each in further if each.isdigit())
        return f"s[{' + '.join([str(known), *(each for each in further if not each.isdigit())])}, p]"

    def _over(self, depth: int, variable: str, count: int, *statements: str) -> None:
        """A loop over rows, and the lanes of each."""
        self.lines.add(depth, f"for {variable} in range({count}):", f"    for p in range({LANES}):")
        self.lines.add(depth + 2, *statements)

    def _factors(self) -> None:
        add = self.lines.add
        add(3, "h = dt[k]")
        if not self.size:
            return
        add(3, "if h != previous:", "    previous = h")
        self._grown(4, "")

    def _grown(self, depth: int, own: str) -> None:
        """e and f of the linear block from the begin of a step to each node."""
        add = self.lines.add
        add(depth, f"for node in range({len(NODES) - 1}):")
        self.lines.add(depth + 1, f"for i in range({self.size}):", f"    for p in range({LANES}):")
        after = f"node * {self.size} + i"
        # Near a zero eigenvalue (an area under a curve) the quotient is 0/0; its limit is the time itself.
        add(
            depth + 3,
            *([own] if own else []),
            "until = NODES[node + 1] * h",
            f"rate = {self._row('l0', 'i')}",
            "q = expm1(rate * until)",
            f"{self._row('grown1_0', after)} = q + 1.0",
            f"{self._row('entered1_0', after)} = q / rate if abs(rate * until) > 1e-12 else until",
        )

    def _at_nodes(self, depth: int) -> None:
        """The linear block at each node, and what of it the stepped equations read, with its slope at the begin."""
        if not self.size:
            return
        add, drivers = self.lines.add, self.structure.drivers
        v = self._row(f"v_{drivers[0]}_0", f"d * {self.size}", "i") if drivers else ""
        z, c, w = (self._row(f"{kind}0", "i") for kind in "zcw")
        if drivers:
            add(depth, f"for d in range({len(drivers)}):")
            at, slope = self._row(f"at0_{drivers[0]}", "d"), self._row(f"slope_{drivers[0]}", "d")
            add(depth + 1, f"for p in range({LANES}):", f"    {at} = 0.0", f"    {slope} = 0.0")
            begun = f"{slope} = fma({v}, fma({self._row('l0', 'i')}, {z}, {c}), {slope})"
            self._over(depth + 1, "i", self.size, f"{at} = fma({v}, {z}, {at})", begun)
        add(depth, f"for node in range({len(NODES) - 1}):")
        after = f"node * {self.size} + i"
        grown, entered = self._row("grown1_0", after), self._row("entered1_0", after)
        self._over(depth + 1, "i", self.size, f"{w} = fma({grown}, {z}, {entered} * {c})")
        if drivers:
            add(depth + 1, f"for d in range({len(drivers)}):")
            at = self._row(f"at1_{drivers[0]}", f"node * {len(drivers)}", "d")
            add(depth + 2, f"for p in range({LANES}):", f"    {at} = 0.0")
            self._over(depth + 2, "i", self.size, f"{at} = fma({v}, {w}, {at})")

    def _named(self, depth: int, node: str, states: str, sources: Iterable[str]) -> None:
        """The drivers at a node, and the stepped states where ``states`` says, by their names, if sources read them."""
        read = names_read(sources)
        add, drivers = self.lines.add, self.structure.drivers
        for number, d in enumerate(drivers):
            after = [f"{node} * {len(drivers)}", str(number)]
            add(depth, f"m_{d} = {self._row(f'at0_{drivers[0]}', *after)}")
        for i, name in enumerate(self.structure.stepped):
            if f"m_{name}" in read:
                add(depth, f"m_{name} = {self.natural(name, self.rows[f'{states}{i}'])}")

    def _jacobian(self, depth: int) -> None:
        """1 - gamma h J, and how fast slopes change with time alone, at the begin of a step."""
        add, drivers = self.lines.add, self.structure.drivers
        read = [*self.slopes.values(), *(each for terms in self.in_time.values() for each in terms)]
        self.bind(depth, read)
        add(depth, "time = time0")
        self._named(depth, "0", "y", read)
        add(depth, *(f"slope_{d} = {self._row(f'slope_{drivers[0]}', str(n))}" for n, d in enumerate(drivers)))
        add(depth, f"less = {-GAMMA!r} * h")
        found: list[Statement] = []
        for entry, place in self.plan.place.items():
            if self.short or entry in self.slopes:
                one = "1.0" if entry[0] == entry[1] else "0.0"
                value = f"fma(less, {self.slopes[entry]}, {one})" if entry in self.slopes else one
                found.append((self.rows[f"j{place}"], value))
        timed = ((i, " + ".join(terms) or "0.0") for i, terms in self.in_time.items() if terms or self.short)
        self.compute(depth, [*found, *((self.rows[f"dt{i}"], value) for i, value in timed)])

    def _cleared(self, depth: int) -> None:
        """Of a long plan: what no statement fills in."""
        ones = [place for (i, j), place in self.plan.place.items() if i == j]
        self._over(depth, "i", len(self.plan.place), f"{self._row('j0', 'i')} = 0.0")
        self._over(depth, "i", len(self.stepped), f"{self._row('dt0', 'i')} = 0.0")
        self.lines.add(depth, f"for i in {tuple(ones)}:", f"    for p in range({LANES}):")
        self.lines.add(depth + 2, f"{self._row('j0', 'i')} = 1.0")

    def _steady_entries(self, depth: int) -> None:
        add = self.lines.add
        add(depth, f"less = {-GAMMA!r} * h", "for e in range(STEADY_ENTRIES.shape[0]):")
        add(depth + 1, "at, by, of = STEADY_ENTRIES[e]", "one = float(of)", f"for p in range({LANES}):")
        add(depth + 2, f"{self._row('j0', 'at')} = fma(less, s[by, p], one)")

    def _walked(self, depth: int, plan: str, first: tuple[str, str, str]) -> None:
        """The operations of a plan, on the rows that lie so far behind these: a short one is written out, operation by
        operation, inside the loop over lanes; a long one is a loop over its table, with those over lanes inside."""
        add, operations = self.lines.add, self.plans[plan]
        if self.short:
            for triple in operations:
                rows = [self._row(name, str(place)) for name, place in zip(first, triple, strict=True)]
                add(depth, _operation(rows, divides=triple[1] < 0, scales=triple[2] < 0))
            return
        rows = [self._row(name, place) for name, place in zip(first, ("at", "by", "of"), strict=True)]
        add(depth, f"for e in range({plan}.shape[0]):", f"    at, by, of = {plan}[e]")
        for test, divides, scales in (("if by < 0", True, False), ("elif of < 0", False, True), ("else", False, False)):
            add(depth + 1, f"{test}:", f"    for p in range({LANES}):")
            add(depth + 3, _operation(rows, divides=divides, scales=scales))

    def _coupled(self, depth: int) -> None:
        """Where a stage looks at the slopes, u, and what earlier ones add to the right side of its k.

        Rows of states lie side by side, so that those of a stage are one run of numbers.
        """
        add, run = self.lines.add, len(self.stepped) * LANES
        for name, first in (("u", "u0"), ("right", "right0"), ("begun", "y0")):
            add(depth, f"{name} = {self._run(first)}")
        add(depth, f"for p in range({run}):", "    u[p] = begun[p]", "    right[p] = 0.0")
        add(depth, "for j in range(stage):", "    share, coupling = SHARES[stage, j], COUPLINGS[stage, j]")
        add(depth + 1, f"earlier = {self._run('k0_0', f'j * {run}')}", f"for p in range({run}):")
        add(depth + 2, "u[p] = fma(share, earlier[p], u[p])", "right[p] = fma(coupling, earlier[p], right[p])")

    def _run(self, first: str, further: str = "0") -> str:
        """The rows of all stepped states from ``first`` on, as one run of numbers."""
        begin = self.place[first] * LANES
        return f"flat[{begin} + {further} : {begin + len(self.stepped) * LANES} + {further}]"

    def _right_side(self, depth: int) -> None:
        """What the k of a stage is solved from; of a long plan, the rates without what is in its table."""
        add, read = self.lines.add, {name: rate for name, rate in self.rates.items() if self.short or rate != "0.0"}
        self.bind(depth, read.values())
        add(depth, "time = time0 + NODES[node] * h")
        self._named(depth, "node", "u", read.values())
        if not self.short:
            self.lines.add(depth, f"for i in range({len(self.stepped)}):", f"    {self._row('x0', 'i')} = 0.0")
        found = [(i, name) for i, name in enumerate(self.structure.stepped) if name in read]
        right = [self._right(read[name], str(i)) if self.short else read[name] for i, name in found]
        self.compute(depth, [(self.rows[f"x{i}"], value) for (i, _), value in zip(found, right, strict=True)])

    def _summed(self, depth: int) -> None:
        """The rates of a long plan: its table, and the right side of them."""
        add, x = self.lines.add, self._row("x0", "at")
        add(depth, "for e in range(STEADY.shape[0]):", "    at, by, of = STEADY[e]", f"    for p in range({LANES}):")
        add(depth + 2, f"{x} = fma(s[by, p], {self._row('u0', 'of')}, {x})")
        self._over(depth, "i", len(self.stepped), f"{self._row('x0', 'i')} = {self._right(self._row('x0', 'i'), 'i')}")

    def _right(self, rate: str, state: str) -> str:
        later = f"IN_TIME[stage] * h * {self._row('dt0', state)}"
        return f"fma(h, fma({GAMMA!r}, {rate}, {later}), {self._row('right0', state)})"

    def _kept(self, depth: int) -> None:
        add, run = self.lines.add, len(self.stepped) * LANES
        add(depth, f"found, kept = {self._run('x0')}, {self._run('k0_0', f'stage * {run}')}")
        add(depth, f"for p in range({run}):", "    kept[p] = found[p]")


def _operation(rows: Sequence[str], *, divides: bool, scales: bool) -> str:
    """Source of one operation of `twin.kernel.loops.elimination.Elimination` on three rows."""
    at, by, of = rows
    if divides:
        return f"{at} = 1.0 / {at}"
    return f"{at} = {at} * {by}" if scales else f"{at} = fma(-{by}, {of}, {at})"


def _square(rows: Sequence[Sequence[float]], scale: float) -> list[list[float]]:
    return [_row(row, scale) for row in rows]


def _row(row: Sequence[float], scale: float) -> list[float]:
    """Scaled, and filled up with zeros to the number of stages."""
    return [scale * each for each in row] + [0.0] * (STAGES - len(row))
