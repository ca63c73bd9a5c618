"""What support points say: values of the parameters there, of the population, and of each patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.kernel.free import natural, scale_of
from twin.population.cohort import Cohort
from twin.population.nonparametric.support import Support
from twin.population.subjects import Held


@dataclass(frozen=True)
class Spread:
    """Of each parameter with iiv (D,): the mean and the standard deviation of some distribution over points."""

    mean: Floats
    sd: Floats


def values_at(cohort: Cohort, eta: Floats) -> Floats:
    """Values (K, D) of the parameters with iiv at points (K, D), before effects of covariates, in the model's units."""
    model, place = cohort.kernel.model, cohort.theta.start.place
    z = np.zeros((len(eta), cohort.size))
    z[:, : eta.shape[1]] = eta
    phi = cohort.columns.phi(z, place, Held())
    columns = [i for i, parameter in enumerate(model.parameters) if parameter.name in model.eta_names]
    every = [[natural(scale_of(model.parameters[i]), float(one)) for i in columns for one in [row[i]]] for row in phi]
    return np.array(every, dtype=np.float64)


def spread_of(values: Floats, weight: Floats) -> Spread:
    """Of values (K, D) with weights (K,)."""
    mean = weight @ values
    return Spread(mean, np.sqrt(np.maximum(weight @ (values - mean) ** 2, 0.0)))


def of_patients(found: Support, values: Floats) -> Spread:
    """Of every patient, (N, D): what the points say when the patient's values are known."""
    each = [spread_of(values, weight) for weight in found.posterior]
    return Spread(np.array([one.mean for one in each]), np.array([one.sd for one in each]))
