"""Sets whose truth is known: a model, patients drawn and solved by scipy with nothing of this program, and a way to
begin from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.integrate import solve_ivp

from streams.batch.population.patients import asked_of, cohort_of
from tests.twin.population.diagnostics.cohorts import timelines_of
from tests.twin.toys import SOURCE
from twin.arrays import Floats
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort

FAR = (3.0, 1.0 / 3.0)
"""Factors that typical values are begun away by, in turn."""


@dataclass(frozen=True)
class Parameter:
    """A typical value, the variance of its effect, and what else its section says."""

    value: float
    unit: str
    iiv: float | None = None
    iov: float | None = None
    distribution: str = "log-normal"

    def away(self, turn: int, variance: float) -> Parameter:
        """The same, begun away from the truth."""
        value = self.value
        if self.distribution == "log-normal":
            value *= FAR[turn % 2]
        elif self.distribution == "logit":
            value = 1.0 / (1.0 + math.exp(-math.log(value / (1.0 - value)) - (1.0, -1.0)[turn % 2]))
        else:
            value *= (1.5, 0.5)[turn % 2]
        iiv = variance if self.iiv is not None and self.distribution != "normal" else self.iiv
        return replace(self, value=value, iiv=iiv, iov=None if self.iov is None else 0.5 * variance)

    def section(self, name: str) -> str:
        """As a model file has it."""
        lines = [f"[parameters.{name}]", f"value = {self.value!r}", f'unit = "{self.unit}"', SOURCE]
        lines += [f"{key} = {one!r}" for key, one in (("iiv", self.iiv), ("iov", self.iov)) if one is not None]
        lines += [f'distribution = "{self.distribution}"'] if self.distribution != "log-normal" else []
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Made:
    """A set.

    Attributes:
        parameters: true values; ``errors`` true sizes, by the name that the outputs' texts have for them.
        states: unit, derivative and, where it is not 0, the initial value of each.
        outputs: sections of outputs, with sizes of errors in braces.
        more: further sections of the model; ``known`` are parameters that are not begun elsewhere.
        lines: the data file, header first.
        truth: numbers that a fit is to find, by its names, beside the typical values and variances of ``parameters``.
    """

    parameters: Mapping[str, Parameter]
    states: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, str]
    errors: Mapping[str, float]
    lines: Sequence[str]
    truth: Mapping[str, float]
    more: str = ""
    time_unit: str = "h"
    known: Mapping[str, Parameter] = field(default_factory=dict)

    def model(self, start: str = "truth") -> Model:
        """At the truth, or ``far`` or ``farther`` from it: typical values three times off, up and down in turn, with
        variances of 0.5 and errors doubled, or the other way round with variances of 0.1 and errors halved."""
        turn, variance, times = {"truth": (0, 0.0, 1.0), "far": (0, 0.5, 2.0), "farther": (1, 0.1, 0.5)}[start]
        text = f'id = "made"\ndrug = "toxin"\ntitle = "made up"\ntime_unit = "{self.time_unit}"\n'
        text += "[[sources]]\ncitation = 'none: made up for tests'\n"
        for n, (name, one) in enumerate(self.parameters.items()):
            text += (one if start == "truth" else one.away(n + turn, variance)).section(name)
        text += "".join(one.section(name) for name, one in self.known.items())
        for name, (unit, derivative, *initial) in self.states.items():
            text += f'[states.{name}]\nunit = "{unit}"\nderivative = "{derivative}"\n'
            text += "".join(f'initial = "{one}"\n' for one in initial)
        sizes = {name: times * size for name, size in self.errors.items()}
        text += "".join(f"[outputs.{name}]\n{section.format(**sizes)}\n" for name, section in self.outputs.items())
        return parse_model(text + self.more + "[cadence]\nestimate = 24\nforecast = 24\nhorizon = 96\n", "made.toml")

    def cohort(self, start: str = "truth") -> Cohort:
        """Everybody, with everything free of which the values tell, to begin at the truth or elsewhere."""
        model = self.model(start)
        found = timelines_of(model, self.lines)
        return cohort_of(found, asked_of(model, (), found)[0])

    def true(self, name: str) -> float:
        """The truth of a number of a fit; NaN of what has none."""
        level, _, of = name.partition(".")
        if name in self.parameters:
            return self.parameters[name].value
        if level in ("omega", "iov") and of in self.parameters:
            one = self.parameters[of]
            return (one.iiv if level == "omega" else one.iov) or math.nan
        return self.truth.get(name, math.nan)


def measured(unit: str, expression: str, error: str) -> str:
    """The section of an output whose values are numbers."""
    return f'unit = "{unit}"\nexpression = "{expression}"\nerror = {{{{ {error}, {SOURCE} }}}}\n'


def covariate(name: str, carry: str = "forward") -> str:
    """The section of a characteristic that is 0 where it is not told."""
    return f'[covariates.{name}]\nunit = "1"\nreference = 0\ncarry = "{carry}"\n{SOURCE}\n'


def solved(
    slopes: Callable[[float, Floats], Sequence[float]],
    begin: Sequence[float],
    times: Floats,
    turns: Sequence[float] = (),
) -> Floats:
    """States (T, S) at times after 0, with ``turns`` at which slopes jump."""
    ends = [*turns, float(times[-1]) + 1.0]
    found, low, y = [], 0.0, np.asarray(begin, dtype=np.float64)
    for high in ends:
        here = times[(times > low) & (times <= high)]
        middle = 0.5 * (low + high)
        made = solve_ivp(
            lambda t, state, at=middle: slopes(at if turns else t, state),
            (low, high), y, "LSODA", np.unique(np.append(here, high)), rtol=1e-8, atol=1e-10,
        )  # fmt: skip
        found.append(made.y.T[: len(here)])
        low, y = high, made.y[:, -1]
    return np.concatenate(found)
