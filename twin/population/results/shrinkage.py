"""How far what is known of each patient shrinks to the population: 0 where data say everything, 1 where they say
nothing (Savic & Karlsson 2009, AAPS J 11:558).

    of eta, by SD 1 - SD(eta)/omega, by variance 1 - var(eta)/omega^2;      of the residual, 1 - SD(IWRES).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.population.cohort import Cohort


@dataclass(frozen=True)
class Shrinkage:
    """Of everybody.

    Attributes:
        sd, variance: of each parameter with eta, by name.
        residual: of each output that was measured, by name.
    """

    sd: dict[str, float]
    variance: dict[str, float]
    residual: dict[str, float]


def shrinkage(cohort: Cohort, omega: Floats, eta: Floats, iwres: Floats) -> Shrinkage:
    """Of modes eta (N, D) under omega (d, d), and individual weighted residuals (T,) of all values (NaN: it has none).

    Patients without any value are left out: they stand at 0 whatever the model.
    """
    names = cohort.kernel.model.eta_names
    measured = np.diff(cohort.first) > 0
    spread = np.var(eta[measured, : len(names)], axis=0, ddof=1) if measured.sum() > 1 else np.full(len(names), np.nan)
    share = spread / np.diag(omega)
    output = np.concatenate([subject.output for subject in cohort.subjects])
    residual = {
        one.name: float(1.0 - np.std(iwres[of], ddof=1))
        for i, one in enumerate(cohort.kernel.model.outputs)
        if (of := (output == i) & np.isfinite(iwres)).sum() > 1
    }
    return Shrinkage(
        dict(zip(names, (1.0 - np.sqrt(share)).tolist(), strict=True)),
        dict(zip(names, (1.0 - share).tolist(), strict=True)),
        residual,
    )
