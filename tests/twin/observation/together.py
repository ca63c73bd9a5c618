"""Three outputs that are measured together, whose answers are known on paper: all is linear and normal."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tests.twin import toys
from tests.twin.bedside import finding, quantity
from twin.arrays import Floats
from twin.events import LabResult
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

CORRELATION = np.array([[1.0, 0.8, -0.3], [0.8, 1.0, 0.1], [-0.3, 0.1, 1.0]])
"""Of the residuals of parent, metabolite and marker."""

SD = np.array([0.5, 2.0, 1.0])

VARIANCES = np.array([1.0, 9.0])
"""Of what parent and metabolite begin with."""

PLACE = np.array([5.0, 20.0])


@functools.cache
def model(correlation: float = 0.8) -> Model:
    """What the patient begins with wanes; the marker is all that is left. ``correlation`` is of the first two."""
    pairs = {("parent", "metabolite"): correlation, ("parent", "marker"): -0.3, ("metabolite", "marker"): 0.1}
    extra = "".join(
        f'[[correlations]]\nbetween = ["{one}", "{other}"]\nlevel = "residual"\ncorrelation = {r}\n{toys.SOURCE}\n'
        for (one, other), r in pairs.items()
    )
    text = toys.made(
        {"a": "5 mg/L 1.0", "b": "20 mg/L 9.0", "k": "0.1 1/h", "q": "0.02 1/h"},
        {"A": "mg/L: a -> -k*A", "B": "mg/L: b -> -q*B", "C": "mg: input(toxin)"},
        {"parent": "mg/L: A", "metabolite": "mg/L: B", "marker": "mg/L: A + B"},
        extra=extra,
    ).text
    for sd in SD.tolist():
        text = text.replace("proportional = 0.2", f"additive = {sd}", 1)
    for variance in ("1.0", "9.0"):
        text = text.replace(f"iiv = {variance}\n", f'iiv = {variance}\ndistribution = "normal"\n', 1)
    return parse_model(text.replace('"made"', f'"made_{round(100 * correlation)}"', 1), "together.toml")


def design_of(hours: float, outputs: list[int]) -> Floats:
    """(n, 2) what values at ``hours`` rise by with the two effects."""
    wane = np.exp([-0.1 * hours, -0.02 * hours])
    return np.array([[wane[0], 0.0], [0.0, wane[1]], wane])[outputs]


def scatter_of(outputs: list[int], correlation: float = 0.8) -> Floats:
    """(n, n) covariance of residuals of values at one instant."""
    found = CORRELATION.copy()
    found[0, 1] = found[1, 0] = correlation
    return (found * np.outer(SD, SD))[np.ix_(outputs, outputs)]


def measured(hours: float, output: int, value: float, **changes: Any) -> LabResult:
    """A value as a laboratory tells it."""
    spec = model().outputs[output]
    told = finding(hours, spec.name, 1.0, **{"event_id": f"{spec.name} {hours}"} | changes)
    return told.model_copy(update={"value": quantity(value, spec.unit)})
