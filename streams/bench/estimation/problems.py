"""Populations to be fitted, simulated in the shape of sets whose estimation others have timed; round numbers.

Of each there is the truth that its patients are drawn from and the values that a fit begins with, as two readings of
one text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from streams.bench.mode import Study, at_hours
from twin.filter.belief import prior
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for
from twin.study.prediction import Predictor
from twin.study.simulation import simulate

DAY = 24.0

_HEAD = """
id = "{name}"
drug = "drug"
title = "{name}"
time_unit = "{unit}"

[[sources]]
citation = "round numbers, for measuring speed"
"""

_PARAMETER = """
[parameters.{name}]
value = {value}
unit = "{unit}"
iiv = {iiv}
distribution = "{distribution}"
assumed = "round number"
"""

_CORRELATION = """
[[correlations]]
between = ["{one}", "{other}"]
covariance = {covariance}
assumed = "round number"
"""

_OUTPUT = """
[outputs.{name}]
unit = "{unit}"
expression = "{expression}"
error = {{ {kind} = {size}, assumed = "round number" }}
"""

_TAIL = """
[cadence]
estimate = 4
forecast = 12
horizon = 72
"""


class Number(NamedTuple):
    """A parameter, and how much it varies among patients: as they are, and where a fit begins."""

    name: str
    unit: str
    value: tuple[float, float]
    iiv: tuple[float, float]
    distribution: str = "log-normal"


class Measured(NamedTuple):
    """An output with the size of its error: as it is, and where a fit begins."""

    name: str
    unit: str
    expression: str
    kind: str
    size: tuple[float, float]


@dataclass(frozen=True)
class Problem:
    """Patients, and a model to be fitted to them.

    Attributes:
        states: the equations, as a model file has them.
        studies: of a model, how patients are treated and measured, in turn.
        patients: how many there are.
        correlation: of each pair of effects; ``None`` for none. A fit begins with next to none.
    """

    name: str
    time_unit: str
    numbers: Sequence[Number]
    states: str
    outputs: Sequence[Measured]
    studies: Callable[[Callable[[], Model]], Sequence[Study]]
    patients: int
    correlation: float | None = None

    @property
    def truth(self) -> Model:
        """What the patients are drawn from."""
        return self._read(0)

    @property
    def start(self) -> Model:
        """The same with the values that a fit begins with."""
        return self._read(1)

    def cohort(self, patients: int | None = None) -> Cohort:
        """The patients, or the first so many, ready to be fitted from the start; the same at every call."""
        truth, start = self.truth, self.start
        drawn, kernel, studies = compile_model(truth), compile_model(start), self.studies(lambda: truth)
        timelines = {}
        for number in range(self.patients if patients is None else patients):
            patient = f"{self.name} {number}"
            design = studies[number % len(studies)].design(truth)
            timelines[patient] = simulate(Predictor(drawn, patient), prior(truth, 1, patient).eta[0], design)
        return Cohort(kernel, step_sizes_for(kernel), timelines, Theta.of(start))

    def _read(self, which: int) -> Model:
        parts = [_HEAD.format(name=self.name, unit=self.time_unit)]
        parts += [
            _PARAMETER.format(**n._asdict() | {"value": n.value[which], "iiv": n.iiv[which]}) for n in self.numbers
        ]
        for one, other in combinations(self.numbers, 2) if self.correlation is not None else ():
            covariance = 0.001 if which else self.correlation * (one.iiv[0] * other.iiv[0]) ** 0.5
            parts.append(_CORRELATION.format(one=one.name, other=other.name, covariance=covariance))
        parts.append(self.states)
        parts += [_OUTPUT.format(**o._asdict() | {"size": o.size[which]}) for o in self.outputs]
        return parse_model("".join([*parts, _TAIL]), f"{self.name}.toml")


RICH_DOSE = 320.0
"""mg by mouth."""


def _rich(model: Callable[[], Model]) -> list[Study]:
    hours = (0.25, 0.5, 1.0, 2.0, 3.5, 5.0, 7.0, 9.0, 12.0, 18.0, 24.0)
    return [Study(model, ((0.0, RICH_DOSE, 0.0),), at_hours(hours, "plasma"), route="oral")]


RICH = Problem(
    "rich",
    "h",
    (
        Number("ka", "1/h", (1.5, 1.0), (0.4, 0.2)),
        Number("CL", "L/h", (2.8, 4.0), (0.07, 0.2)),
        Number("V", "L", (32.0, 25.0), (0.03, 0.1)),
    ),
    """
[states.Depot]
unit = "mg"
derivative = "input(drug) - ka*Depot"

[states.A]
unit = "mg"
derivative = "ka*Depot - CL/V*A"
""",
    (Measured("plasma", "mg/L", "A/V", "additive", (0.7, 1.0)),),
    _rich,
    patients=12,
)
"""Twelve patients with eleven levels each after one oral dose, as of theophylline: closed forms."""


SPARSE_DOSES = ((0.0, 30.0), *((12.0 * dose, 4.0) for dose in range(1, 10)))
"""Hours and mg by vein: one to fill, and then every twelve hours."""


def _sparse(model: Callable[[], Model]) -> list[Study]:
    doses = tuple((hour, amount, 0.0) for hour, amount in SPARSE_DOSES)
    times = ((2.0, 90.0), (2.5, 40.0, 115.0), (1.0, 65.0), (3.0, 52.0, 110.0))
    return [Study(model, doses, at_hours(hours, "plasma")) for hours in times]


SPARSE = Problem(
    "sparse",
    "h",
    (Number("CL", "L/h", (0.0068, 0.01), (0.2, 0.1)), Number("V", "L", (1.4, 1.0), (0.15, 0.1))),
    """
[states.A]
unit = "mg"
derivative = "input(drug) - CL/V*A"
""",
    (Measured("plasma", "mg/L", "A/V", "additive", (2.8, 4.0)),),
    _sparse,
    patients=59,
)
"""Fifty-nine newborns with two or three levels each, as of phenobarbital: closed forms."""


def _coagulation(model: Callable[[], Model]) -> list[Study]:
    levels = at_hours((0.5, 1.0, 2.0, 3.0, 6.0, 9.0, 12.0, 24.0, 36.0, 48.0, 72.0, 96.0, 120.0), "plasma")
    activity = at_hours((24.0, 36.0, 48.0, 72.0, 96.0, 120.0, 144.0), "activity")
    return [Study(model, ((0.0, 100.0, 0.0),), levels + activity, route="oral")]


COAGULATION = Problem(
    "coagulation",
    "h",
    (
        Number("ktr", "1/h", (2.0, 1.5), (0.3, 0.5)),
        Number("ka", "1/h", (0.6, 0.8), (0.2, 0.3)),
        Number("CL", "L/h", (0.135, 0.13), (0.07, 0.1)),
        Number("V", "L", (7.7, 8.0), (0.05, 0.1)),
        Number("Emax", "1", (0.9, 0.95), (0.6, 0.2), "logit"),
        Number("C50", "mg/L", (1.2, 1.5), (0.15, 0.2)),
        Number("kout", "1/h", (0.053, 0.05), (0.01, 0.02)),
        Number("E0", "%", (96.0, 96.0), (0.005, 0.01)),
    ),
    """
[states.Depot]
unit = "mg"
derivative = "input(drug) - ktr*Depot"

[states.Gut]
unit = "mg"
derivative = "ktr*Depot - ka*Gut"

[states.A]
unit = "mg"
derivative = "ka*Gut - CL/V*A"

[states.PCA]
unit = "%"
initial = "E0"
derivative = "E0*kout*(1 - Emax*(A/V)/(C50 + A/V)) - kout*PCA"
""",
    (
        Measured("plasma", "mg/L", "A/V", "additive", (0.5, 1.0)),
        Measured("activity", "%", "PCA", "additive", (3.7, 4.0)),
    ),
    _coagulation,
    patients=32,
)
"""Thirty-two patients with levels and an effect that turns over, as of warfarin: eight effects, stepped equations."""


def _target(model: Callable[[], Model]) -> list[Study]:
    days = (0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 21.0, 28.0, 35.0, 42.0)
    # Levels are measured as long as there is something to be measured.
    lasting = {500.0: 7.0, 1500.0: 14.0, 5000.0: 28.0, 10_000.0: 42.0}
    return [
        Study(
            model,
            ((0.0, dose, 0.0),),
            at_hours(tuple(DAY * day for day in days if day <= last), "plasma")
            + at_hours(tuple(DAY * day for day in days), "receptor"),
        )
        for dose, last in lasting.items()
    ]


TARGET = Problem(
    "target",
    "d",
    (
        Number("VC", "L", (50.0, 60.0), (0.1, 0.2)),
        Number("K10", "1/d", (0.11, 0.0935), (0.12, 0.2)),
        Number("K12", "1/d", (1.75, 1.4875), (0.15, 0.2)),
        Number("K21", "1/d", (0.83, 0.996), (0.13, 0.2)),
        Number("VM", "1/d", (9.7, 11.64), (0.1, 0.2)),
        Number("KMC", "mg/L", (1.27, 1.0795), (0.12, 0.2)),
        Number("K03", "mg/d", (40.0, 34.0), (0.09, 0.2)),
        Number("K30", "1/d", (0.5, 0.425), (0.1, 0.2)),
    ),
    """
[states.A]
unit = "mg"
derivative = "input(drug) - (K10 + K12)*A + K21*P - VM*A*R/(A + KMC*VC)"

[states.P]
unit = "mg"
derivative = "K12*A - K21*P"

[states.R]
unit = "mg"
initial = "K03/K30"
derivative = "K03 - K30*R - (VM - K30)*A*R/(A + KMC*VC)"
""",
    (
        Measured("plasma", "mg/L", "A/VC", "proportional", (0.1, 0.3)),
        Measured("receptor", "mg/L", "R/VC", "proportional", (0.15, 0.3)),
    ),
    _target,
    patients=50,
    correlation=0.25,
)
"""Fifty patients whose drug binds to its target, eight effects with a full Omega: stepped equations."""
