"""The empirical Bayes estimate of one patient from a finished record: what a post hoc step gives.

The covariance is that of first-order conditional estimation, and the objective function value is the patient's part of
its marginal -2 log likelihood (Wang 2007, J Pharmacokinet Pharmacodyn 34:575),

    OFV = 2 U(eta) + log det omega - log det C,

with C the covariance of eta and U without the log(2 pi) / 2 of every measured value, as NONMEM leaves it out. A value
on a logarithmic scale counts with its density on the natural one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.carried import carry, widened
from twin.kernel import Floats, Kernel
from twin.mesh import Pace
from twin.mode import Mode, find_mode
from twin.response import Responder
from twin.solve import individual_parameters
from twin.timeline import Timeline


@dataclass(frozen=True)
class Estimated:
    """One patient's estimate: the mode, its standard errors (d,), individual parameters (P,), and the OFV."""

    mode: Mode
    errors: Floats
    parameters: Floats
    ofv: float


def post_hoc(kernel: Kernel, pace: Pace, timeline: Timeline | None) -> Estimated:
    """The estimate from all that a timeline observed, from a cold start.

    Individual parameters hold under the newest covariates. A patient without a timeline, of whom nothing useful is
    known, is the typical one with the covariance of the population.
    """
    widening = carry((), kernel.model).widening if timeline is None else timeline.widening
    omega = np.asarray(widened(kernel.model, widening).omega, dtype=np.float64)
    covariates = kernel.reference
    mode = Mode(np.zeros(len(omega)), omega, 0.0, True)
    measured = 0
    if timeline is not None:
        covariates = timeline.covariates[-1]
        seen = timeline.observations
        outputs = kernel.model.outputs
        measured = sum(o.below is None and o.above is None and outputs[o.output].kind == "continuous" for o in seen)
        if seen:
            precision: Floats = np.linalg.inv(omega).astype(np.float64)
            mode = find_mode(Responder(kernel, pace, timeline, seen), precision, np.zeros(len(omega)))
    parameters = individual_parameters(kernel, mode.eta[None], covariates)[0]
    ofv = 2.0 * mode.objective - measured * np.log(2 * np.pi) + _log_det(omega) - _log_det(mode.covariance)
    return Estimated(mode, np.sqrt(np.diag(mode.covariance)), parameters, float(ofv))


def _log_det(matrix: Floats) -> float:
    return float(np.linalg.slogdet(matrix)[1]) if len(matrix) else 0.0
