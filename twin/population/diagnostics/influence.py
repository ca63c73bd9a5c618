"""Which patients the estimates rest on: what each adds to the objective, and where estimates would go without it.

With the objective O = sum_i o_i of minimum theta and curvature H, the minimum without patient i is, to first order,

    theta_(-i) = theta + H^-1 s_i,    s_i = d o_i / d theta,    C = 2 H^-1,

and it lies at Cook's distance  d_i = (theta_(-i) - theta)' C^-1 (theta_(-i) - theta) = s_i' C s_i / 4  (Cook 1977,
Technometrics 19:15; here as a sum over the numbers, not their mean).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats


@dataclass(frozen=True)
class Influence:
    """Of N patients on K numbers.

    Attributes:
        distance: (N,) Cook's distance.
        shift: (N, K) what leaving a patient out moves each number of the vector by, in its standard errors.
    """

    distance: Floats
    shift: Floats


def influence(score: Floats, covariance: Floats) -> Influence:
    """Of scores (N, K) of an objective (-2 log likelihood), and the inverse (K, K) of half its curvature."""
    about = score - score.mean(axis=0)
    moved = 0.5 * about @ covariance
    return Influence(0.5 * (moved * about).sum(axis=1), moved / np.sqrt(np.diag(covariance)))
