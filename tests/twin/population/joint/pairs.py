"""Patients whose two outputs are measured together, with residuals that correlate."""

from __future__ import annotations

import functools

import numpy as np

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort

CORRELATION = 0.6

DOSE, TIMES = 100.0, (0.5, 1.0, 2.0, 4.0, 8.0)


def correlated(correlation: float = CORRELATION, between: str = '"plasma", "urine"') -> str:
    """A correlation of residuals, as a model file has it."""
    return f'[[correlations]]\nbetween = [{between}]\nlevel = "residual"\ncorrelation = {correlation}\n{toys.SOURCE}\n'


@functools.cache
def model(extra: str = correlated()) -> Model:
    """One compartment, measured with a proportional error, and what was excreted, on the logarithm."""
    text = toys.made(
        {"k": "0.2 1/h 0.06", "V": "11 L 0.05", "share": "0.4 1"},
        {"A": "mg: input(toxin) - k*A", "U": "mg: share*k*A"},
        {"plasma": "mg/L: A/V", "urine": "mg: U"},
        extra=extra,
    ).text
    return parse_model(text.replace("proportional = 0.2", "log_additive = 0.3", 2).replace(
        "log_additive = 0.3", "proportional = 0.2", 1), "pairs.toml")  # fmt: skip


def drawn(patients: int, seed: int = 1, of: Model | None = None) -> Cohort:
    """Patients of `model` with values that it gives; of the last one some stand alone, and one is below a limit."""
    rng, lines = np.random.default_rng(seed), ["ID,TIME,EVID,AMT,DV,DVID,CENS,LLOQ"]
    factor = np.linalg.cholesky([[1.0, CORRELATION], [CORRELATION, 1.0]])
    for i in range(1, patients + 1):
        k, v = 0.2 * np.exp(0.06**0.5 * rng.normal()), 11.0 * np.exp(0.05**0.5 * rng.normal())
        lines.append(f"{i},0,1,{DOSE},.,1,0,.")
        for t in TIMES:
            z = factor @ rng.normal(size=2)
            level, excreted = DOSE / v * np.exp(-k * t), 0.4 * DOSE * (1.0 - np.exp(-k * t))
            lines.append(f"{i},{t},0,.,{level * (1.0 + 0.2 * z[0]):.6f},1,0,.")
            lines.append(f"{i},{t},0,.,{excreted * np.exp(0.3 * z[1]):.6f},2,0,.")
    return cohort_of(of or model(), lines)
