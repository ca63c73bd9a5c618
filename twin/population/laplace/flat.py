"""Who is so flat at the mode that Laplace's method says nothing of how likely the values are."""

from __future__ import annotations

import numpy as np

from twin.arrays import Integers
from twin.population.mixture.mixing import HARDLY
from twin.population.objective import Evaluation
from twin.population.values import Population

FLAT = 0.3
"""Precision in units of the prior's, in any direction, below which a posterior is called flat: data narrow, and what is
so much wider than the prior, as far as U'' at its mode tells, is next to two modes that merge."""


def flatter_than_the_prior(here: Evaluation, population: Population) -> Integers:
    """Patients (n,) who are flat at the mode by `FLAT`, as by Laplace's method where two modes merge: there the
    determinant of U'' says nothing of how likely the values are."""
    found = []
    for n, covariance in enumerate(here.covariance):
        if here.posterior is not None and here.posterior.reshape(-1)[n] < HARDLY:
            continue
        own = len(population.omega)
        part = covariance[:own, :own]
        if (
            own
            and np.isfinite(part).all()
            and np.linalg.eigvals(np.linalg.inv(population.alone) @ part).real.max() * FLAT > 1.0 + 1e-9
        ):
            found.append(n)
    return np.array(found, dtype=np.int64)
