"""Source of the inner loop where doses enter at another time in every particle (`twin.kernel.delayed_input`).

As `twin.kernel.loops.stepper`, but only the edges that all particles share are met together. Between two of them every
particle of a group has steps of its own, from one of its own edges to the next by the rule of
`twin.solver.step_schedule`; who arrives first takes steps of no length, which change nothing, until all have.
"""

from __future__ import annotations

from twin.kernel.arguments import Inputs, Intervals, OwnEdges, StepSizes, System
from twin.kernel.delayed_input import TRANSIT, entry_of
from twin.kernel.loops.stepper import LANES, QUARTERS, Stepper, between
from twin.kernel.source import Lines, Scope


def write_late_advance(lines: Lines, scope: Scope) -> None:
    """Add the function ``advance`` (`twin.kernel.arguments.Advance`)."""
    LateStepper(lines, scope).write()


class LateStepper(Stepper):
    def further_rows(self) -> list[str]:
        late = range(len(self.structure.late))
        flows = [f"flow{j}_{quarter}" for j in late for quarter in range(QUARTERS)]
        terms = ["flow_on", "flow_since", "flow_log", "flow_n", "flow_k"]
        return ["h", "time", *(f"own{j}" for j in late), *(f"b{i}" for i in range(self.size)), *flows, *terms]

    def passed(self) -> dict[str, tuple[str, ...]]:
        intervals = {f"steps.intervals.{field}": (field,) for field in Intervals._fields if field != "inputs"}
        return {
            "*system": System._fields,
            **intervals,
            "*steps.intervals.inputs": Inputs._fields,
            "*steps.sizes": tuple(f"step_{field}" for field in StepSizes._fields),
            "*steps.own": tuple(f"own_{field}" for field in OwnEdges._fields),
        }

    def write(self) -> None:
        add = self.lines.add
        self.write_heads()
        columns = ", ".join(str(self.structure.inputs.index(call)) for call in self.structure.late)
        add(1, f"s = np.empty(({len(self.rows)}, {LANES}))", f"late = np.array([{columns}])")
        reals = ("at", "left", "whole", "done", "since", "goal", "latest")
        add(1, *(f"{name} = np.empty({LANES})" for name in reals))
        add(1, f"upcoming = np.empty({LANES}, dtype=np.int64)")
        add(1, f"flowing, flows = np.empty(({len(self.structure.late)}, {LANES}), dtype=np.int64), np.empty({LANES})")
        add(1, f"for first in range(0, par.shape[0], {LANES}):", f"    count = min({LANES}, par.shape[0] - first)")
        self.load()
        add(3, "upcoming[p] = own_edge_from[n]", "latest[p] = -np.inf")
        add(3, *(f"flowing[{j}, p] = own_flow_from[n, {j}]" for j in range(len(self.structure.late))))
        add(3, *(f"{self.rows[f'own{j}']} = 0.0" for j in range(len(self.structure.late))))
        add(2, "for k in range(row.shape[0]):")
        self._kicks()
        add(3, "held = row[k]", f"for p in range({LANES}):", "    n = first + min(p, count - 1)")
        self._shared_input()
        self._own_input(4)
        add(4, "at[p] = edge[k]", "left[p] = 0.0", "latest[p] = max(latest[p], disturbed[k])")
        add(3, "while True:", "    going = False", f"    for p in range({LANES}):")
        self._next_step()
        add(4, "if not going:", "    break")
        self._flows()
        self._own_factors()
        self.stride(4, (f"h = {self.rows['h']}", "quarter = 0.25 * h", f"time0 = {self.rows['time']}"))
        self._arrive()
        add(3, "if mark[k] >= 0:", "    time = edge[k + 1]", "    for p in range(count):")
        self._outputs()
        self._store()

    def rate_of(self, call: str, column: int) -> str:
        if call not in self.structure.late:
            return f"rates[held, {column}]"
        j = self.structure.late.index(call)
        return f"flow{j}" if entry_of(call) == TRANSIT else f"own{j}"

    def _shared_input(self) -> None:
        """What enters the linear block of particle n in lane p at rates that are the same for all."""
        prompt = [j for j, call in enumerate(self.structure.inputs) if call not in self.structure.late]
        for i in range(self.size):
            terms = "".join(f" + bw[n, {i}, {j}] * rates[held, {j}]" for j in prompt)
            self.lines.add(4, f"{self.rows[f'b{i}']} = cw[n, {i}]{terms}")

    def _own_input(self, depth: int) -> None:
        """The same with the particle's own rates."""
        for i in range(self.size):
            terms = "".join(
                f" + bw[n, {i}, {self.structure.inputs.index(call)}] * {self.rows[f'own{j}']}"
                for j, call in enumerate(self.structure.late)
                if entry_of(call) != TRANSIT
            )
            self.lines.add(depth, f"{self.rows[f'c{i}']} = {self.rows[f'b{i}']}{terms}")

    def _next_step(self) -> None:
        """At an edge: what happens to the particle there, and how far it is to its next; then how far to step."""
        add = self.lines.add
        add(5, "if left[p] <= 0.0 and at[p] < edge[k + 1]:", "    n = first + min(p, count - 1)")
        add(6, "while upcoming[p] < own_edge_from[n + 1] and own_edges[upcoming[p]].time <= at[p]:")
        add(7, "j = upcoming[p]", "upcoming[p] += 1")
        add(7, "latest[p] = max(latest[p], own_edges[j].disturbed)")
        add(7, *(f"{self.rows[f'own{j}']} = own_rates[j, {j}]" for j in range(len(self.structure.late))))
        self._own_input(7)
        add(
            7,
            "if own_edges[j].column >= 0:",
            "    column = late[own_edges[j].column]",
            "    amount = own_edges[j].amount",
        )
        self._impulse(8, self.structure.late)
        add(6, "goal[p] = edge[k + 1]", "if upcoming[p] < own_edge_from[n + 1]:")
        add(7, "goal[p] = min(goal[p], own_edges[upcoming[p]].time)")
        add(6, "whole[p] = goal[p] - at[p]", "left[p] = whole[p]", "done[p] = 0.0", "since[p] = at[p] - latest[p]")
        add(5, "h = 0.0", "if left[p] > 0.0:", "    going = True", "    h = left[p]", "    if step_first > 0.0:")
        # As in `twin.solver.step_schedule`: two even steps rather than a full one and a crumb.
        add(
            7,
            "h = min(step_largest, max(step_first, step_growth * since[p]))",
            "if h >= left[p] * (1.0 - 1e-9):",
            "    h = left[p]",
        )
        add(7, "elif 2.0 * h > left[p]:", "    h = 0.5 * left[p]")
        add(5, f"{self.rows['h']} = h", f"{self.rows['time']} = at[p] + done[p] if h > 0.0 else at[p]")

    def _arrive(self) -> None:
        add = self.lines.add
        add(4, f"for p in range({LANES}):", f"    h = {self.rows['h']}", "    if h > 0.0:")
        add(6, "done[p] += h", "since[p] += h", "left[p] = whole[p] - done[p] if h < left[p] else 0.0")
        add(6, "if left[p] <= 0.0:", "    at[p] = goal[p]")

    def _flows(self) -> None:
        """What flows in through transit steps, at the points of each particle's step at which its stages look.

        The flows of a column that are on are taken one of each particle at a time, so that their exponentials run down
        a row; a particle that has fewer adds nothing.
        """
        for j, call in enumerate(self.structure.late):
            if entry_of(call) == TRANSIT:
                self._flow(j)

    def _flow(self, j: int) -> None:
        add, rows = self.lines.add, self.rows
        sums = [rows[f"flow{j}_{quarter}"] for quarter in range(QUARTERS)]
        add(4, "most = 0", f"for p in range({LANES}):", "    n = first + min(p, count - 1)")
        add(5, f"time0 = {rows['time']}", *(f"{row} = 0.0" for row in sums), f"i = flowing[{j}, p]")
        add(5, f"while i < own_flow_from[n, {j + 1}] and own_flows[i].end <= time0:", "    i += 1")
        add(
            5,
            f"flowing[{j}, p] = i",
            f"while i < own_flow_from[n, {j + 1}] and own_flows[i].begin <= time0:",
            "    i += 1",
        )
        add(5, f"flows[p] = i - flowing[{j}, p]", f"most = max(most, i - flowing[{j}, p])")
        add(4, "for turn in range(most):", f"    for p in range({LANES}):", f"        i = flowing[{j}, p] + turn")
        add(6, f"time0 = {rows['time']}", "on = turn < flows[p] and own_flows[i].end > time0")
        add(6, f"{rows['flow_on']} = 1.0 if on else 0.0")
        add(6, f"{rows['flow_since']} = time0 - own_flows[i].begin if on else 1.0")
        for field, name in (("log_factor", "flow_log"), ("n", "flow_n"), ("k", "flow_k")):
            add(6, f"{rows[name]} = own_flows[i].{field} if on else 0.0")
        add(5, f"for p in range({LANES}):", f"    quarter = 0.25 * {rows['h']}")
        for quarter, row in enumerate(sums):
            add(6, f"q = {rows['flow_since']} + {quarter} * quarter")
            term = f"exp({rows['flow_log']} + {rows['flow_n']} * log(q) - {rows['flow_k']} * q)"
            add(6, f"{row} += {rows['flow_on']} * {term}")

    def _own_factors(self) -> None:
        add = self.lines.add
        for i in range(self.size):
            add(4, f"for p in range({LANES}):", f"    quarter = 0.25 * {self.rows['h']}")
            self._factor(5, i)

    def at_stage(self, depth: int, quarter: int | None) -> None:
        for j, call in enumerate(self.structure.late):
            if entry_of(call) == TRANSIT:
                rows = [self.rows[f"flow{j}_{number}"] for number in range(QUARTERS)]
                self.lines.add(depth, f"flow{j} = {between(rows) if quarter is None else rows[quarter]}")
            else:
                self.lines.add(depth, f"own{j} = {self.rows[f'own{j}']}")
