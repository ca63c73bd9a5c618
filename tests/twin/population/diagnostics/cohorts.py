"""Cohorts whose diagnostics are known on paper, and values that they would give."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from connectors.feeds.nmtran.reader import read_table
from tests.twin import toys
from twin.arrays import Floats
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.diagnostics.simulated import simulated
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for
from twin.study.records import record_of
from twin.timeline.timeline import Timeline, build

TIMES = (0.0, 1.0, 2.0, 4.0, 6.0)

OMEGA = np.array([[4.0, 0.3], [0.3, 0.25]])

SD = 0.5

SHARED = 0.6
"""Correlation of replicates."""


@functools.cache
def straight() -> Model:
    """y = base + slope t, linear in its effects, with an additive error: everything normal has a formula."""
    made = toys.made(
        {"base": "10 mg 4", "slope": "1.5 mg/h 0.25"}, {"X": "mg: base -> slope"}, {"line": "mg: base + slope*t"}
    )
    text = made.text.replace("iiv = 4\n", 'iiv = 4\ndistribution = "normal"\n')
    text = text.replace("iiv = 0.25\n", 'iiv = 0.25\ndistribution = "normal"\n')
    text = text.replace("proportional = 0.2", f"additive = {SD}")
    text += f'[[correlations]]\nbetween = ["base", "slope"]\ncovariance = 0.3\n{toys.SOURCE}\n'
    return parse_model(text, "made.toml")


@functools.cache
def levels() -> Model:
    """One compartment, a weight on its volume, a proportional error, and a yes or no whose odds follow the level."""
    made = toys.made(
        {"k": "0.3 1/h 0.09", "V": "12 L 0.04 | V*(WT/70)"},
        {"A": "mg: input(toxin) - k*A"},
        {"plasma": "mg/L: A/V"},
        extra=f'[covariates.WT]\nunit = "kg"\nreference = 70\n{toys.SOURCE}\n'
        f'[covariates.SEX]\nunit = "1"\nreference = 0\n{toys.SOURCE}\n',
    )
    odds = "exp(0.3*A/V - 1)"
    text = made.text + f'[outputs.grade]\nkind = "ordinal"\ncategories = ["1/(1 + {odds})", "{odds}/(1 + {odds})"]\n'
    return parse_model(text, "made.toml")


def cohort_of(model: Model, lines: Sequence[str], output: str | None = None, fixed: Sequence[str] = ()) -> Cohort:
    """Everybody in lines of a table, everything free but what is ``fixed``."""
    kernel = compile_model(model)
    return Cohort(kernel, step_sizes_for(kernel), timelines_of(model, lines, output), Theta.of(model, fixed))


def timelines_of(model: Model, lines: Sequence[str], output: str | None = None) -> dict[str, Timeline]:
    """Of each patient in lines of a table."""
    header, *rows = (line.split(",") for line in lines)
    reading = read_table(header, rows, model, output=output)
    assert not reading.bad_lines, reading.bad_lines[0]
    kernel, found = compile_model(model), {}
    for patient, events in reading.by_patient().items():
        timeline = build(record_of(events, model)[0], kernel)
        assert timeline is not None
        found[patient] = timeline
    return found


def line_of(values: Sequence[Floats], names: Sequence[str] | None = None) -> Cohort:
    """Patients of `straight` with values at `TIMES` each."""
    names = names or [str(i + 1) for i in range(len(values))]
    lines = ["ID,TIME,EVID,AMT,DV"]
    for name, own in zip(names, values, strict=True):
        lines += [f"{name},{t},0,.,{y}" for t, y in zip(TIMES, own.tolist(), strict=True)]
    return cohort_of(straight(), lines, "line")


def drawn_line(patients: int, seed: int = 1, spread: float = 1.0) -> Cohort:
    """Patients of `straight` with values that it gives, effects ``spread`` times as wide."""
    rng = np.random.default_rng(seed)
    eta = spread * rng.multivariate_normal([0.0, 0.0], OMEGA, patients)
    t = np.array(TIMES)
    values = 10.0 + eta[:, :1] + (1.5 + eta[:, 1:]) * t + SD * rng.standard_normal((patients, len(t)))
    return line_of(list(values))


@functools.cache
def replicated(patients: int = 3) -> Cohort:
    """The same with values that are two correlated replicates each."""
    text = straight().text.replace(f"additive = {SD}", f"additive = {SD}, replicate_correlation = {SHARED}")
    rng, lines = np.random.default_rng(3), ["ID,TIME,EVID,AMT,DV"]
    for i in range(1, patients + 1):
        lines += [f"{i},{t},0,.,{10.0 + 1.5 * t + rng.normal():.6f}" for t in TIMES for _ in range(2)]
    return cohort_of(parse_model(text, "replicated.toml"), lines)


def scatter_of_replicates() -> Floats:
    """Their covariance (10, 10), of one patient."""
    return np.asarray(SD**2 * np.kron(np.eye(len(TIMES)), [[1.0, SHARED], [SHARED, 1.0]]))


def mixed(patients: int = 40, limit: float = 1.0) -> Cohort:
    """Patients of `levels` with values that it gives; levels below a limit are known only by it."""
    model, lines = levels(), ["ID,TIME,EVID,AMT,DV,DVID,CENS,WT,SEX"]
    rng = np.random.default_rng(3)
    for n in range(patients):
        more = f"{40 + 60 * rng.random():.1f},{n % 2}"
        lines.append(f"{n + 1},0,1,100,.,.,.,{more}")
        lines += [f"{n + 1},{t},0,.,1,{name},0,{more}" for t in (1, 4, 8, 12) for name in ("plasma", "grade")]
    first = cohort_of(model, lines)
    (values,) = simulated(first, first.theta.start, 5, 1)
    told = []
    for line in lines[1:]:
        id_, time, evid, amt, _, dvid, _, *more = line.split(",")
        if evid == "0":
            value, values = values[0], values[1:]
            low = dvid == "plasma" and value < limit
            told.append(",".join([id_, time, evid, amt, str(limit if low else value), dvid, str(int(low)), *more]))
        else:
            told.append(line)
    return cohort_of(model, [lines[0], *told])
