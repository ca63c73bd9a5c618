"""Something that happens once and for all, by a hazard.

It is 1 at the instant at which it happens, and 0 at a look that finds it has not:

    P(y = 1) = h exp(-H),      P(y = 0) = exp(-H),      dH/dt = h

H is the hazard integrated since the last look, so that looks multiply to the likelihood of the whole course; a further
look at the same instant adds nothing to H. In a model file ``hazard`` is h, per model time unit; H becomes a state
``H_NAME``. What is shown is the probability since the last look, 1 - exp(-H); its rows are H and h.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from twin.arrays import Floats
from twin.model.measured.error import NO_ERROR
from twin.model.spec import OutputSpec, StateSpec
from twin.observation.kind import LEAST, OutputKind, OutputSection, StatedFormula, not_whole
from twin.observation.observation import MeasuredValue, Observation
from twin.observation.residual import SMALLEST


class Event(OutputKind):
    """Whether something has happened."""

    name = "event"
    sketch = "hazard, per time unit"
    discrete = True
    sampled = False
    awaited = True

    def read(self, section: OutputSection) -> tuple[OutputSpec, tuple[StateSpec, ...]]:
        hazard, cumulative = section.formula("hazard"), f"H_{section.name}"
        if cumulative in section.names:
            problem = f"integrates its hazard as '{cumulative}', which the file already has"
            raise section.table.wrong("hazard", f"{problem}; choose another name for one")
        h = ast.Name(cumulative, ast.Load())
        survival = ast.Call(ast.Name("exp", ast.Load()), [ast.UnaryOp(ast.USub(), h)], [])
        happened = ast.BinOp(ast.Constant(1.0), ast.Sub(), survival)
        output = OutputSpec(section.name, "1", happened, NO_ERROR, section.aliases, None, self.name, (h, hazard))
        return output, (StateSpec(cumulative, "1", ast.Constant(0.0), hazard),)

    def stated(self, output: OutputSpec) -> tuple[StatedFormula, ...]:
        return (StatedFormula("hazard", output.further[1], "1", per_time=True),)

    def flaw(self, output: OutputSpec, values: Sequence[float]) -> tuple[str, str] | None:
        (hazard,) = values
        if hazard >= 0:
            return None
        problem = f"is {hazard:g} at the start of the typical patient; a hazard is 0 or more"
        return "hazard", f"{problem}, check its sign"

    def own_state(self, output: OutputSpec) -> str | None:
        return ast.unparse(output.further[0])

    def formula_in_words(self, output: OutputSpec) -> str:
        return f"event with hazard {ast.unparse(output.further[1])}"

    def refusal(self, output: OutputSpec, value: float, *, limited: bool) -> str | None:
        if (problem := not_whole(output, value, 1)) is not None:
            return problem
        return "field 'below_lloq': an event happened or did not; send 1 or 0 without a limit" if limited else None

    def conditional(self, output: OutputSpec) -> bool:
        return True

    def log_likelihood(self, output: OutputSpec, observation: Observation, rows: Floats) -> Floats:
        survival = -_since_last_look(rows, observation.earlier)
        return survival if observation.value == 0 else survival + np.log(np.maximum(rows[1], LEAST))

    def levels(
        self,
        output: OutputSpec,
        observation: Observation,
        rows: Floats,
    ) -> tuple[Floats, Floats]:
        # What is measured is the time until the event: at this instant, or later.
        happened = -np.expm1(-_since_last_look(rows, observation.earlier))
        return (happened, happened) if observation.value != 0 else (happened, np.ones_like(happened))

    def information(self, output: OutputSpec, rows: Floats) -> tuple[Floats, Floats]:
        return rows[:1], 1.0 / np.maximum(rows[:1], SMALLEST)

    def at_levels(
        self,
        output: OutputSpec,
        rows: Floats,
        levels: Floats,
        earlier: tuple[MeasuredValue, ...] = (),
    ) -> Floats:
        return np.asarray(levels > np.exp(-_since_last_look(rows, earlier))[:, None], dtype=np.float64)

    def moment(self, level: float, since: float, moments: Floats, rows: Floats) -> float | None:
        """Where H = -log(level)."""
        hazard, needed = rows[:, 0], -np.log(level)
        if hazard[-1] < needed:
            return None
        return float(np.interp(needed, np.append(0.0, hazard), np.append(since, moments)))


def _since_last_look(rows: Floats, earlier: tuple[MeasuredValue, ...]) -> Floats:
    return np.zeros_like(rows[0]) if earlier else rows[0]


KIND = Event()
