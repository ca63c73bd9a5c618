"""How far importance weights can be trusted: the shape k of the tail that they have.

The largest weights are a sample of a generalised Pareto distribution, whose shape says how many moments the weights
have: 1/k of them. Below 0.7 an estimate from a thousand or more draws is reliable, above it the largest weights rule,
however harmless the effective sample size looks (Vehtari, Simpson, Gelman, Yao and Gabry 2024, Pareto smoothed
importance sampling, J Mach Learn Res 25(72)). The shape is found by the empirical Bayes estimate of Zhang and Stephens
(2009, Technometrics 51:316), with the weak prior of ten values at 0.5 that the article adds.
"""

from __future__ import annotations

import math

import numpy as np

from twin.arrays import Floats

TRUSTED = 0.7
"""Largest shape at which an estimate from such weights is trusted."""

LEAST_TAIL = 5
"""Weights that a tail must have to be fitted."""

NOTHING = 1e-100
"""Weights below this part of the largest have no say."""


def tail_shape(log_weight: Floats) -> float:
    """The shape k of log weights (N,): -inf where all are equal, inf where there are too few to say.

    >>> normal = np.random.default_rng(1).standard_normal(4000)
    >>> tail_shape(-0.5 * (normal - 0.1) ** 2 + 0.5 * normal**2) < 0.3
    True
    """
    weight = np.sort(np.exp(log_weight - log_weight.max()))
    tail = math.ceil(min(0.2 * len(weight), 3.0 * math.sqrt(len(weight))))
    if tail < LEAST_TAIL:
        return math.inf
    threshold = weight[-tail - 1]
    beyond = weight[-tail:] - threshold
    if beyond[-1] <= 1e-12:
        return -math.inf
    # What is nothing beside the largest weight is left out: its inverse would overflow.
    beyond = beyond[beyond > NOTHING]
    return _shape(beyond) if len(beyond) >= LEAST_TAIL else math.inf


def _shape(beyond: Floats) -> float:
    """Shape of a generalised Pareto distribution of ascending exceedances (n,)."""
    count = len(beyond)
    tried = 30 + int(math.sqrt(count))
    quarter = beyond[int(count / 4 + 0.5) - 1]
    theta = 1.0 / beyond[-1] + (1.0 - np.sqrt(tried / (np.arange(1, tried + 1) - 0.5))) / (3.0 * quarter)
    k = np.log1p(-theta[:, None] * beyond).mean(axis=1)
    profile = count * (np.log(-theta / k) - k - 1.0)
    share = np.exp(profile - profile.max())
    best = float((theta * share).sum() / share.sum())
    shape = float(np.log1p(-best * beyond).mean())
    return (count * shape + 10 * 0.5) / (count + 10)
