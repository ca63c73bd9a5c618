"""What was expected of a measurement before it was seen: its predictive distribution, and how the value fell in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.filter.quantiles import QUANTILES, pooled, quantiles
from twin.model.spec import OutputSpec
from twin.observation import likelihood
from twin.observation.kinds import kind_of
from twin.observation.observation import Observation

SCATTER_POINTS = 16
"""Residual quantiles per particle that make a predictive distribution of a measurement."""

TAIL = 0.05
"""Share of a predictive distribution that its exponential tail is fitted to."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What was expected of one measurement.

    Attributes:
        quantiles: (5,) of the predictive distribution, in the output's unit.
        pit: probability below the measured value.
        innovation: its distance from the middle in predictive standard deviations.
        score: normal score of the PIT; beyond what particles can resolve, that of an exponential tail.
        scattered, each: (S,) the predictive distribution itself, and its weights.
    """

    quantiles: Floats
    pit: float
    innovation: float
    score: float
    scattered: Floats
    each: Floats


def expectation(
    output: OutputSpec, observation: Observation, rows: Floats, weight: Floats, share: float = 0.5
) -> Expectation:
    """Predictive distribution of a measurement: a mixture over particles of what they predict, with its scatter.

    ``rows`` (R, N), or (K, R, N) of an uncertain time, are what the likelihood reads (see
    `twin.observation.likelihood`). The innovation is the distance of the value from the predictive median in predictive
    standard deviations, on the scale that the output's error is on; of a discrete value it is that from the mean. A
    particle whose solution overflowed expects nothing and is left out. Where the value stands for a range of
    probabilities (it is discrete, or known only by a limit) the PIT is taken at ``share`` of that range, and the
    innovation is that of the limit.
    """
    usable = np.isfinite(rows).reshape(-1, rows.shape[-1]).all(axis=0) & (weight > 0)
    if not usable.any():
        return Expectation(np.zeros(len(QUANTILES)), 0.5, 0.0, 0.0, np.zeros(1), np.ones(1))
    rows, weight = rows[..., usable], weight[usable] / weight[usable].sum()
    flat = likelihood.spread_out(output, observation, rows, SCATTER_POINTS).ravel()
    each = np.repeat(weight / SCATTER_POINTS, SCATTER_POINTS)
    # Sums, not inner products: long ones are cut among as many threads as there are, which shows in the last bits.
    pit = float((weight * likelihood.level(output, observation, rows, share)).sum())
    return expected_of(output, observation, flat, each, pit, resolved=0.5 * float((weight * weight).sum()))


def expected_of(
    output: OutputSpec, observation: Observation, flat: Floats, each: Floats, pit: float, *, resolved: float
) -> Expectation:
    """The expectation of a measurement whose predictive distribution is ``flat`` (S,) with weights ``each`` (S,).

    ``resolved`` is the least tail probability that the particles behind it can resolve.
    """
    pit = min(1.0, max(0.0, pit))
    levels = quantiles(flat, each)
    limit = observation.above if observation.below is None else observation.below
    value = observation.value if limit is None else limit
    scaled, middle, observed = flat, levels[2], np.asarray(value)
    kind = kind_of(output)
    if kind.discrete:
        levels, middle = np.rint(levels), (each * flat).sum()
    elif value > 0:
        scaled, middle, observed = (kind.on_scale(output, x) for x in (scaled, middle, observed))
    spread = float(np.sqrt((each * (scaled - (each * scaled).sum()) ** 2).sum()))
    gap = float(observed - middle)
    # Concentrations and counts are not negative, whatever a wide proportional error gives; an additive one measures
    # some of them so.
    shown = levels if kind.weighs_negative(output) else np.maximum(levels, 0.0)
    score = _score(pit, float(observed), scaled, each, resolved=resolved)
    return Expectation(shown, pit, gap / spread if spread > 0 else 0.0, score, flat, each)


def pooled_expectation(
    output: OutputSpec, observation: Observation, share: Sequence[float], each: Sequence[Expectation]
) -> Expectation:
    """What several clouds of these shares, which sum to one, expect together of a measurement."""
    flat, weight = pooled((part, one.scattered, one.each) for part, one in zip(share, each, strict=True))
    pit = sum(part * one.pit for part, one in zip(share, each, strict=True))
    # A cloud whose solutions all overflowed expects nothing, and is one point: it resolves no tail.
    resolved = min(0.5, 0.5 * SCATTER_POINTS * float((weight * weight).sum()))
    return expected_of(output, observation, flat, weight, pit, resolved=resolved)


def _score(pit: float, value: float, draws: Floats, weight: Floats, *, resolved: float) -> float:
    """Normal score of a PIT; ``resolved`` is the least tail probability that particles can resolve.

    Beyond that the tail of the predictive ``draws`` is continued as an exponential one from its 5 % quantile with its
    mean excess, the peaks-over-threshold method (Pickands 1975). A normal tail falls faster, so the score is cautious.
    """
    below = pit < 0.5
    tail = pit if below else 1.0 - pit
    if tail < resolved:
        away = -draws if below else draws
        threshold = float(quantiles(away, weight, (1.0 - TAIL,))[0])
        beyond = away > threshold
        excess = float((weight[beyond] * (away[beyond] - threshold)).sum() / max(weight[beyond].sum(), 1e-300))
        reach = (-value if below else value) - threshold
        continued = TAIL * float(np.exp(-reach / excess)) if excess > 0 and reach > 0 else resolved
        tail = min(resolved, max(tail, continued, 1e-15))
    score = float(special.ndtri(tail))
    return score if below else -score
