"""How values lie about the predictions of the population and of each patient.

    PRED    prediction of the typical patient (eta = 0)
    IPRED   prediction at the patient's own effects, the mode of what is known of them
    IWRES   (y - IPRED) / residual SD at IPRED
    CWRES   conditional weighted residual (Hooker, Staatz & Karlsson 2007, Pharm Res 24:2187)

CWRES hold all values of a patient against what the model says of them together, linearised around the mode eta*, on the
scale that the error is written for:

    E = f(eta*) - F eta*,    C = F Omega F' + R,    CWRES = C^-1/2 (y - E),    F = df/deta at eta*

with the symmetric root, and with R at eta* (with interaction; without, at eta = 0), in which residuals of values that
were measured together, or repeatedly, covary where the model says so. They are uncorrelated with variance
1 as far as the model is right and its linearisation good. What is known only by a limit, and what is no measured value
with a density, has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.observation.aggregate import stretches
from twin.observation.kinds import kind_of
from twin.observation.residual import transformed
from twin.population import stencil
from twin.population.cohort import Cohort
from twin.population.joint.drawn import covariance_of
from twin.population.objective import Evaluation, Objective
from twin.population.residuals import placed, variance


@dataclass(frozen=True)
class Residuals:
    """Of all T values: PRED and IPRED in the outputs' units, IWRES and CWRES (NaN: it has none), (T,) each."""

    pred: Floats
    ipred: Floats
    iwres: Floats
    cwres: Floats

    def part(self, which: Integers) -> Residuals:
        """Of some of the values."""
        return Residuals(self.pred[which], self.ipred[which], self.iwres[which], self.cwres[which])


def residuals(objective: Objective, here: Evaluation) -> Residuals:
    """Of the values of a cohort, at the modes of an evaluation."""
    cohort, population = objective.cohort, objective.cohort.theta.unpack(here.vector)
    everybody = np.arange(len(cohort), dtype=np.int64)
    own = objective.z(here.eta)
    points = np.stack([objective.z(np.zeros_like(here.eta)), own], axis=1)
    shown = []
    for subject, out in zip(cohort.subjects, cohort.rows(everybody, points, population.place), strict=True):
        shown.append(out[subject.mark, subject.output].reshape(-1, 2))
    pred, ipred = np.concatenate(shown).T
    return Residuals(pred, ipred, _iwres(objective, here, ipred), _cwres(objective, here))


def weighted(y: Floats, f: Floats, slope: Floats, r: Floats, eta: Floats, omega: Floats) -> Floats:
    """CWRES (n,) of one patient.

    Args:
        y, f: (n,) values and predictions at the mode, on the scale of the error; ``r`` (n, n) residual covariance.
        slope: (n, D) F; ``eta`` (D,) the mode; ``omega`` (D, D) covariance of the effects.
    """
    away = y - (f - slope @ eta)
    values, vectors = np.linalg.eigh(slope @ omega @ slope.T + r)
    return np.asarray((vectors / np.sqrt(np.maximum(values, 1e-300))) @ (vectors.T @ away))


def _iwres(objective: Objective, here: Evaluation, ipred: Floats) -> Floats:
    """Of measured values by their error, of counts by their own variance."""
    population = objective.cohort.theta.unpack(here.vector)
    outputs = [
        replace(o, error=e) for o, e in zip(objective.cohort.kernel.model.outputs, population.errors, strict=True)
    ]
    found = objective.iwres(here).copy()
    every = [o for subject in objective.cohort.subjects for o in subject.observations]
    for at, o in enumerate(every):
        if (kind := kind_of(outputs[o.output])).discrete:
            found[at] = kind.iwres(outputs[o.output], o.value, float(ipred[at]))
    return found


def _cwres(objective: Objective, here: Evaluation) -> Floats:
    cohort = objective.cohort
    population = cohort.theta.unpack(here.vector)
    everybody, z = np.arange(len(cohort), dtype=np.int64), objective.z(here.eta)
    h, d = objective.displacement(population), cohort.effects
    f = objective.predictions(everybody, stencil.points(z, h, d, False), population)
    around = f[:, 0]
    if objective.method == "foce":
        typical = objective.z(np.zeros_like(here.eta))
        around = objective.predictions(everybody, typical[:, None], population)[:, 0]
    output, y, dense = measured(cohort)
    r = stretches(population.errors, [o for subject in cohort.subjects for o in subject.observations]) ** 2
    for number in np.unique(output[dense]):
        error, of = population.errors[number], dense & (output == number)
        y[of], f[of] = transformed(error, y[of]), placed(error, f[of])
        r[of] *= variance(error, around[of])
    slope = stencil.slopes(f, h)[:, :d]
    omega = population.prior(cohort.parts)[0]
    usable = dense & np.isfinite(y) & np.isfinite(r) & np.isfinite(slope).all(axis=1)
    found = np.full(len(y), np.nan)
    for i, eta in enumerate(here.eta):
        part = np.arange(cohort.first[i], cohort.first[i + 1])
        of = part[usable[part]]
        if len(of):
            together = covariance_of(cohort.subjects[i].observations, population.errors, r[part])
            together = together[np.ix_(usable[part], usable[part])]
            found[of] = weighted(y[of], f[of, 0], slope[of], together, eta, omega)
    return found


def measured(cohort: Cohort) -> tuple[Integers, Floats, NDArray[np.bool_]]:
    """Of all T values the output, the value, and whether it is a measured value with a density."""
    outputs = cohort.kernel.model.outputs
    every = [o for subject in cohort.subjects for o in subject.observations]
    dense = [
        not kind_of(outputs[o.output]).discrete
        and not kind_of(outputs[o.output]).awaited
        and o.below is None
        and o.above is None
        for o in every
    ]
    return (
        np.array([o.output for o in every], dtype=np.int64),
        np.array([o.value for o in every], dtype=np.float64),
        np.array(dense, dtype=np.bool_),
    )
