"""Models of patients of two classes, and data of which the classes are known to whoever made them."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from tests.twin import toys
from tests.twin.population.test_objective import timelines
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for

CLASSES = f"""
[covariates.SORT]
unit = "1"
reference = 1
levels = {{ slow = 1, fast = 2 }}
{toys.SOURCE}

[mixture]
covariate = "SORT"
shares = {{ slow = 0.4, fast = 0.6 }}
{toys.SOURCE}
"""


def with_shares(model: Model, slow: float) -> Model:
    """The same with other shares."""
    return parse_model(
        model.text.replace("slow = 0.4, fast = 0.6", f"slow = {slow!r}, fast = {1.0 - slow!r}"), "made.toml"
    )


@functools.cache
def levels() -> Model:
    """A level that is 2 or 5 and a normal effect more, measured with an additive error: what is linear and normal."""
    made = toys.made(
        {"low": "1 mg/L", "high": "4 mg/L", "shift": "1 mg/L 0.8", "k": "1 1/h"},
        {"A": "mg: input(toxin) - k*A"},
        {"plasma": "mg/L: where(SORT == 1, low, high) + shift"},
        extra=CLASSES,
    )
    text = made.text.replace("proportional = 0.2", "additive = 0.5")
    for name in ("low", "high", "shift"):
        text = text.replace(f"[parameters.{name}]\n", f'[parameters.{name}]\ndistribution = "normal"\n')
    return parse_model(text, "made.toml")


@functools.cache
def own_levels() -> Model:
    """A level with a mean and a normal effect of its own in each class, measured with an additive error."""
    made = toys.made(
        {"low": "2 mg/L 0.4", "high": "5 mg/L 0.8", "k": "1 1/h"},
        {"A": "mg: input(toxin) - k*A"},
        {"plasma": "mg/L: where(SORT == 1, low, high)"},
        extra=CLASSES,
    )
    text = made.text.replace("proportional = 0.2", "additive = 0.5")
    for name in ("low", "high"):
        text = text.replace(f"[parameters.{name}]\n", f'[parameters.{name}]\ndistribution = "normal"\n')
    return parse_model(text, "made.toml")


@functools.cache
def eliminated() -> Model:
    """One compartment, whose clearance is three times as high in who is fast."""
    return toys.made(
        {"CL": "2 L/h 0.06|CL * where(SORT == 1, 1, ratio)", "ratio": "3 1", "V": "20 L 0.04"},
        {"A": "mg: input(toxin) - CL/V*A"},
        {"plasma": "mg/L: A/V"},
        extra=CLASSES,
    )


REGIMEN = f"""
[[regimens]]
drug = "toxin"
amount = 100
amount_unit = "mg"
duration = 0
interval = 24
cycles = 2
route = "iv"
{toys.SOURCE}
"""


@functools.cache
def treated() -> Model:
    """`eliminated` with a regimen."""
    return parse_model(eliminated().text.replace("[cadence]", f"{REGIMEN}\n[cadence]"), "made.toml")


MEASURED = {"1": (2.4, 1.9), "2": (5.5, 4.6, 6.1), "3": (3.4, 3.9), "4": (1.1,)}
"""Levels of four patients."""


def measured(model: Model, of: Mapping[str, Sequence[float]] = MEASURED, fixed: Sequence[str] = ()) -> Cohort:
    """They, or others, in a cohort."""
    lines = ("ID,TIME,EVID,AMT,DV", *(f"{p},{t},0,.,{y}" for p, values in of.items() for t, y in enumerate(values)))
    kernel = compile_model(model)
    return Cohort(kernel, step_sizes_for(kernel), timelines(model, lines), Theta.of(model, fixed))


def drawn_levels(patients: int, seed: int = 2) -> dict[str, tuple[float, ...]]:
    """Two levels each of patients of `own_levels`."""
    rng, found = np.random.default_rng(seed), {}
    for patient in range(1, patients + 1):
        mean, variance = ((2.0, 0.4), (5.0, 0.8))[int(rng.random() > 0.4)]
        found[str(patient)] = tuple((rng.normal(mean, math.sqrt(variance)) + 0.5 * rng.normal(size=2)).tolist())
    return found


def concentrations(patients: int, seed: int, slow: float = 0.4) -> tuple[str, dict[str, str]]:
    """A data set of `eliminated` with a tenth of error, as CSV, and each patient's class."""
    rng, lines, truth = np.random.default_rng(seed), ["ID,TIME,EVID,AMT,DV"], {}
    for patient in range(1, patients + 1):
        of = "slow" if rng.random() < slow else "fast"
        truth[str(patient)] = of
        clearance = (2.0 if of == "slow" else 6.0) * math.exp(rng.normal(0, 0.25))
        volume = 20.0 * math.exp(rng.normal(0, 0.2))
        lines.append(f"{patient},0,1,100,.")
        for hours in (0.5, 2, 5, 9):
            level = 100 / volume * math.exp(-clearance / volume * hours) * (1 + 0.1 * rng.normal())
            lines.append(f"{patient},{hours},0,.,{level:.5f}")
    return "\n".join(lines) + "\n", truth
