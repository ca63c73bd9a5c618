"""Source of an inner loop that takes long steps where equations are stiff, by a Runge-Kutta-Chebyshev scheme.

    Y_j = mu_j Y_{j-1} + nu_j Y_{j-2} + (1 - mu_j - nu_j) Y_0 + h mus_j (f(Y_{j-1}) - a_{j-1} f(Y_0)),    y <- Y_s

The scheme is explicit and of order 2, and stable along the negative real axis as far as 0.65 s^2 (Sommeijer, Shampine
and Verwer 1998, J Comput Appl Math 88:315, whose coefficients these are): where fast states follow slow ones it takes
as many stages s as the fastest rate of a group of particles asks for, and not as many steps. That rate is followed
along the solution by the power method, a product with the Jacobian each step.

Steps are as of the loop that it stands for, and the linear block is solved exactly, read between quarters by Lagrange's
polynomial. The number of stages is that of the group, so that who is in it moves the last digits; nothing that is
folded is solved by it.
"""

from __future__ import annotations

from collections.abc import Sequence

from twin.kernel.loops.delayed_stepper import LateStepper
from twin.kernel.loops.stepper import LANES, QUARTERS, Stepper, between, sum_of_products
from twin.kernel.source import Lines, Scope

DAMPING = 2.0 / 13.0
"""Of the stability polynomial, as its authors have it."""

MOST_STAGES = 200

TURNS = 12
"""Of the power method at the begin of a stretch; then one each step."""

AHEAD = 1.25
"""Of the fastest rate that was found, what is made allowance for."""

BUMP = 1e-6
"""By which part of themselves states are moved to see how fast they come back."""

LEAST = 1e-3
"""Size under which a state is not taken to be smaller, as `twin.solver.step_control.stepped_rate` has it."""


def write_stabilised(lines: Lines, scope: Scope) -> None:
    """Add the function ``advance`` (`twin.kernel.arguments.Advance`)."""
    (_LateStabilised if scope.structure.late else _Stabilised)(lines, scope).write()


class _Stabilised(Stepper):
    @property
    def stepped(self) -> range:
        """Numbers of the stepped states."""
        return range(len(self.structure.stepped))

    def further_rows(self) -> list[str]:
        stepped = self.stepped
        states = [f"{kind}{i}" for kind in ("latest", "before", "slope", "lean") for i in stepped]
        drivers = [f"at_{d}_{quarter}" for d in self.structure.drivers for quarter in range(QUARTERS)]
        return [*super().further_rows(), *states, *drivers, "fastest"]

    def load(self) -> None:
        super().load()
        self.lines.add(3, f"{self.rows['fastest']} = 0.0")
        # Any direction will do that is in none of the slow ones alone.
        begun = (f"max(abs({self.rows[f'y{i}']}), {LEAST}) * {1.0 - 0.37 * (i % 3)}" for i in self.stepped)
        self.lines.add(3, *(f"{self.rows[f'lean{i}']} = {lean}" for i, lean in enumerate(begun)))

    def rate_of(self, call: str, column: int) -> str:
        found = super().rate_of(call, column)
        return f"inflow{column}" if found.startswith("rates") else found

    def stride(self, depth: int, own: Sequence[str]) -> None:
        lanes = f"for p in range({LANES}):"
        self.lines.add(
            depth, *(f"inflow{column} = rates[held, {column}]" for column in range(len(self.structure.inputs)))
        )
        self.lines.add(depth, lanes)
        self.lines.add(depth + 1, *own)
        self._begin(depth + 1)
        first = f"s[{self.place['fastest']}, 0]"
        self.lines.add(depth, "widest = 0.0", f"turns = {TURNS} if {first} <= 0.0 else 1")
        self.lines.add(depth, "for turn in range(turns):", f"    {lanes}")
        self.lines.add(depth + 2, *own)
        self._fastest(depth + 2)
        self.lines.add(depth, lanes)
        self.lines.add(depth + 1, *own, f"widest = max(widest, {AHEAD} * h * {self.rows['fastest']})")
        self._coefficients(depth)
        self.lines.add(depth + 1, lanes)
        self.lines.add(depth + 2, *own)
        self._later_stage(depth + 2)
        self._next_coefficients(depth + 1)
        self.lines.add(depth, lanes)
        self.lines.add(depth + 1, *(f"{self.rows[f'y{i}']} = {self.rows[f'latest{i}']}" for i in self.stepped), "pass")

    def _begin(self, depth: int) -> None:
        """The linear block at quarters of the step, and the slopes at its begin."""
        add = self.lines.add
        self.bind(depth, self.rates.values())
        for i in range(self.size):
            add(depth, f"p0_{i} = {self.rows[f'z{i}']}")
            e, f, c = (self.rows[f"{kind}{i}"] for kind in "efc")
            add(depth, f"g_{i} = {f} * {c}", *(f"p{j + 1}_{i} = fma({e}, p{j}_{i}, g_{i})" for j in range(4)))
        for d in self.structure.drivers:
            for quarter in range(QUARTERS):
                modes = [(self.rows[f"v_{d}_{i}"], f"p{quarter}_{i}") for i in range(self.size)]
                add(depth, f"{self.rows[f'at_{d}_{quarter}']} = {sum_of_products(modes)}")
        add(depth, *(f"{self.rows[f'z{i}']} = p4_{i}" for i in range(self.size)))
        self._slopes(depth, "y", quarter=0)
        for i in self.stepped:
            add(depth, f"{self.rows[f'slope{i}']} = k_{i}")

    def _slopes(self, depth: int, states: str, quarter: int | None) -> None:
        """k_i, the slopes where the stepped states are what ``states`` says, at a quarter or at ``time`` between."""
        add = self.lines.add
        if quarter is not None:
            add(depth, f"time = time0 + {quarter} * quarter")
        self.at_stage(depth, quarter)
        for d in self.structure.drivers:
            rows = [self.rows[f"at_{d}_{number}"] for number in range(QUARTERS)]
            add(depth, f"m_{d} = {between(rows) if quarter is None else rows[quarter]}")
        for i, name in enumerate(self.structure.stepped):
            at = self.rows.get(f"{states}{i}", f"{states}{i}")
            add(depth, f"m_{name} = {self.natural(name, at)}")
        self.compute(depth, [(f"k_{i}", self.rates[name]) for i, name in enumerate(self.structure.stepped)])

    def _fastest(self, depth: int) -> None:
        """A turn of the power method: how much a small move away from the states is answered by their slopes."""
        add, stepped = self.lines.add, self.stepped
        self.bind(depth, self.rates.values())
        sizes = [f"max(abs({self.rows[f'y{i}']}), {LEAST})" for i in stepped]
        add(depth, *(f"size_{i} = 1.0 / {size}" for i, size in enumerate(sizes)))
        add(depth, f"fastest = {self.rows['fastest']}")
        add(depth, *(f"lean_{i} = {self.rows[f'lean{i}']}" for i in stepped))
        squares = " + ".join(f"(lean_{i} * size_{i}) ** 2" for i in stepped)
        add(depth, f"length = {BUMP} / (math.sqrt({squares}) + 1e-300)")
        add(depth, *(f"moved{i} = {self.rows[f'y{i}']} + length * lean_{i}" for i in stepped))
        self._slopes(depth, "moved", quarter=0)
        add(depth, *(f"lean_{i} = (k_{i} - {self.rows[f'slope{i}']}) * {1.0 / BUMP}" for i in stepped))
        add(depth, f"found = math.sqrt({squares})")
        add(depth, *(f"{self.rows[f'lean{i}']} = lean_{i}" for i in stepped))
        add(depth, f"{self.rows['fastest']} = max(found, 0.9 * fastest) if found < 1e12 else fastest")

    def _coefficients(self, depth: int) -> None:
        """How many stages, and the first of them; the loop over the others is left open."""
        self.lines.add(
            depth,
            f"stages = min(2 + int(math.sqrt(1.54 * min(widest, 1e9) + 1.0)), {MOST_STAGES})",
            f"w0 = 1.0 + {DAMPING} / stages**2",
            "w2 = w0**2 - 1.0",
            "w3 = math.sqrt(w2)",
            "arc = stages * math.log(w0 + w3)",
            "w1 = math.sinh(arc) * w2 / (math.cosh(arc) * stages * w3 - w0 * math.sinh(arc))",
            "b1 = 1.0 / (2.0 * w0) ** 2",
            "b2 = b1",
            "mus = w1 * b1",
            f"for p in range({LANES}):",
        )
        own = [f"h = {self.rows['h']}"] if "h" in self.rows else []
        self.lines.add(depth + 1, *own)
        for i in self.stepped:
            y, slope = self.rows[f"y{i}"], self.rows[f"slope{i}"]
            self.lines.add(depth + 1, f"{self.rows[f'before{i}']} = {y}")
            self.lines.add(depth + 1, f"{self.rows[f'latest{i}']} = {y} + h * mus * {slope}")
        self.lines.add(
            depth,
            "t1, t2, q1, q2, dq1, dq2, ddq1, ddq2 = mus, 0.0, w0, 1.0, 1.0, 0.0, 0.0, 0.0",
            "for stage in range(2, stages + 1):",
        )
        self.lines.add(
            depth + 1,
            "q = 2.0 * w0 * q1 - q2",
            "dq = 2.0 * w0 * dq1 - dq2 + 2.0 * q1",
            "ddq = 2.0 * w0 * ddq1 - ddq2 + 4.0 * dq1",
            "q0 = ddq / dq**2",
            "damped = 1.0 - q1 * b1",
            "mu, nu = 2.0 * w0 * q0 / b1, -q0 / b2",
            "mus = mu * w1 / w0",
            "rest = 1.0 - mu - nu",
            "along = 4.0 * t1",
            *(f"share{q} = {_lagrange(q)}" for q in range(QUARTERS)),
        )

    def _later_stage(self, depth: int) -> None:
        add = self.lines.add
        self.bind(depth, self.rates.values())
        add(depth, "time = time0 + t1 * h")
        self._slopes(depth, "latest", quarter=None)
        for i in self.stepped:
            latest, before = self.rows[f"latest{i}"], self.rows[f"before{i}"]
            slopes = f"h * mus * (k_{i} - damped * {self.rows[f'slope{i}']})"
            add(depth, f"new_{i} = mu * {latest} + nu * {before} + rest * {self.rows[f'y{i}']} + {slopes}")
        for i in self.stepped:
            latest, before = self.rows[f"latest{i}"], self.rows[f"before{i}"]
            add(depth, f"{before} = {latest}", f"{latest} = new_{i}")

    def _next_coefficients(self, depth: int) -> None:
        self.lines.add(
            depth,
            "t1, t2 = mu * t1 + nu * t2 + mus * (1.0 - damped), t1",
            "q1, q2, dq1, dq2, ddq1, ddq2, b1, b2 = q, q1, dq, dq1, ddq, ddq1, q0, b1",
        )


class _LateStabilised(_Stabilised, LateStepper):
    pass


def _lagrange(quarter: int) -> str:
    """Source of the weight of a quarter ``along`` quarters from the begin."""
    others = [other for other in range(QUARTERS) if other != quarter]
    scale = 1.0
    for other in others:
        scale /= quarter - other
    return " * ".join([repr(scale), *(f"(along - {other}.0)" for other in others)])
