"""Uncertainty by sampling importance resampling, in iterations (Dosne et al. 2016, J Pharmacokinet Pharmacodyn 43:583;
2017, 44:509).

Vectors are drawn from a proposal, each is given the weight that its likelihood has over its density there (the numbers
themselves having no prior, so that the slopes of their scale count), and some are drawn again, without replacement. To
what was drawn again the next proposal is fitted: of each number's logarithm, or whatever scale the vector has, a
Box-Cox transformation that makes it normal,

    x = (v - v0) / s,    y = (exp(lambda x) - 1) / lambda,

and the covariance of those. The first proposal is normal with the covariance of the estimates, inflated. If all is well
the rise of the objective over its minimum is, among what was drawn again, distributed as chi-squared with as many
degrees of freedom as there are numbers, or fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.population.theta import Theta
from twin.randomness import generator

SAMPLES = (1000, 1000, 1000, 2000, 2000)

RESAMPLES = (200, 400, 500, 1000, 1000)

INFLATED = 1.5
"""Of the first covariance: a proposal too wide wastes draws, one too narrow never finds what it leaves out."""

LAMBDAS = np.linspace(-1.0, 1.0, 41)
"""Transformations that are tried."""

CENTRAL = (0.025, 0.975)

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the rise of the objective, that are told beside those of chi-squared."""

STEADY = 0.1
"""Between the last two iterations the mean rise may change by this share, and by three of its standard errors."""

WIDE = 1.1
"""Mean rise over the number of numbers beyond which the distribution is wider than chi-squared."""

Rise = Callable[[Floats], Floats]
"""Of vectors (M, K) the rise of the objective over its minimum (M,); what is not finite cannot be."""


@dataclass(frozen=True)
class Iteration:
    """One iteration: how many were drawn and drawn again, the effective number of draws, and the rise of the
    objective among those drawn again, its mean and `QUANTILES`."""

    samples: int
    resamples: int
    effective: float
    mean_rise: float
    rises: tuple[float, ...]


@dataclass(frozen=True)
class Resampled:
    """Of the numbers `Theta.names` (K,), on their natural scale.

    Attributes:
        error: standard deviation; ``low`` and ``high`` hold the middle 95 %.
        iterations: all of them; ``problem``: what is wrong with them, empty where nothing is.
    """

    error: Floats
    low: Floats
    high: Floats
    iterations: tuple[Iteration, ...]
    problem: str


@dataclass(frozen=True)
class _Proposal:
    """Normal after each number's transformation: ``middle``, ``size`` (K,) make x, ``mean`` and ``factor`` y."""

    middle: Floats
    size: Floats
    shape: Floats
    mean: Floats
    factor: Floats

    def drawn(self, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
        """Vectors (count, K) and their log density, but for a constant."""
        found, density = np.empty((0, len(self.middle))), np.empty(0)
        while len(found) < count:
            standard = rng.standard_normal((count, len(self.middle)))
            y = self.mean + standard @ self.factor.T
            can = (1.0 + self.shape * y > 1e-9).all(axis=1)
            x = _back(y[can], self.shape)
            log = -0.5 * (standard[can] ** 2).sum(axis=1) + (self.shape * x).sum(axis=1)
            found, density = np.concatenate([found, self.middle + self.size * x]), np.concatenate([density, log])
        return found[:count], density[:count]


def resampled(theta: Theta, vector: Floats, covariance: Floats, rise: Rise, done: Callable[[int], None]) -> Resampled:
    """Sample and resample around a minimum.

    Args:
        vector: (K,) the minimum; ``covariance`` (K, K) of it, in the vector.
        rise: the objective over its minimum.
        done: is told how many vectors were weighed.
    """
    size = np.sqrt(np.diag(covariance))
    factor = np.linalg.cholesky(INFLATED * covariance / np.outer(size, size))
    proposal = _Proposal(vector, size, np.zeros(len(vector)), np.zeros(len(vector)), factor)
    iterations: list[Iteration] = []
    again, weighed, lowest = np.empty((0, len(vector))), 0, 0.0
    for number, (count, kept) in enumerate(zip(SAMPLES, RESAMPLES, strict=True)):
        rng = generator("resampling of estimates", 1, number)
        drawn, density = proposal.drawn(rng, count)
        over = rise(drawn)
        lowest = min(lowest, float(np.nanmin(over, initial=0.0)))
        weighed += count
        done(weighed)
        log = np.where(np.isfinite(over), -0.5 * over + _log_slopes(theta, drawn) - density, -np.inf)
        share = np.exp(log - special.logsumexp(log))
        chosen = _chosen(rng, share, kept)
        again, rises = drawn[chosen], over[chosen]
        iterations.append(
            Iteration(
                count, len(chosen), float(1.0 / (share @ share)), float(rises.mean()),
                tuple(np.quantile(rises, QUANTILES).tolist()),
            )
        )  # fmt: skip
        proposal = _fitted(again, vector, size)
    natural = np.array([theta.natural(one) for one in again])
    low, high = np.quantile(natural, CENTRAL, axis=0)
    problem = _problem(iterations, theta.size, lowest)
    return Resampled(natural.std(axis=0, ddof=1), low, high, tuple(iterations), problem)


def _chosen(rng: np.random.Generator, share: Floats, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Numbers of those that are drawn again, each at most once."""
    possible = int((share > 0.0).sum())
    return np.asarray(rng.choice(len(share), min(count, possible), replace=False, p=share / share.sum()), np.int64)


def _fitted(vectors: Floats, middle: Floats, size: Floats) -> _Proposal:
    """The proposal that vectors (M, K) suggest."""
    x = (vectors - middle) / size
    shape = np.array([_shape(column) for column in x.T])
    y = _there(x, shape)
    covariance = np.cov(y.T).reshape(len(middle), -1)
    least = 1e-9 * np.diag(np.diag(covariance))
    return _Proposal(middle, size, shape, y.mean(axis=0), np.asarray(np.linalg.cholesky(covariance + least)))


def _shape(x: Floats) -> float:
    """lambda under which numbers (M,) are likeliest to be normal (Box & Cox 1964)."""
    spread = [len(x) * -0.5 * np.log(np.var(_there(x[:, None], np.array([one]))) + 1e-300) for one in LAMBDAS]
    return float(LAMBDAS[int(np.argmax(np.array(spread) + LAMBDAS * x.sum()))])


def _there(x: Floats, shape: Floats) -> Floats:
    curved = np.abs(shape) > 1e-9
    return np.where(curved, np.expm1(shape * x) / np.where(curved, shape, 1.0), x)


def _back(y: Floats, shape: Floats) -> Floats:
    curved = np.abs(shape) > 1e-9
    return np.where(curved, np.log1p(np.where(curved, shape, 0.0) * y) / np.where(curved, shape, 1.0), y)


def _log_slopes(theta: Theta, vectors: Floats) -> Floats:
    """Log of how much of the natural scale (M,) a piece of the vector's covers."""
    return np.array([np.linalg.slogdet(theta.natural_slopes(one))[1] for one in vectors])


def _problem(iterations: Sequence[Iteration], numbers: int, lowest: float) -> str:
    found = []
    if lowest < -0.01:
        found.append(
            f"resampling met an objective {-lowest:.3g} below the minimum: the fit had not reached it; use several"
            " starts"
        )
    before, last = iterations[-2].mean_rise, iterations[-1].mean_rise
    by_chance = 3.0 * float(np.sqrt(4.0 * numbers / iterations[-1].resamples))
    if abs(last - before) > max(STEADY * max(before, last), by_chance):
        found.append(
            f"the rise of the objective among what was drawn again still moves ({before:.3g}, {last:.3g} in the last"
            " two iterations): its intervals are not settled; hold them against the bootstrap's"
        )
    if last > WIDE * numbers:
        found.append(
            f"the rise of the objective is {last:.3g} on average, more than chi-squared with {numbers} degrees of"
            " freedom has: intervals by standard errors are too narrow"
        )
    return "; ".join(found)


def as_numbers(found: Resampled, names: Sequence[str]) -> Mapping[str, object]:
    """It all by name, as JSON has it."""
    columns = zip(names, found.error.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    return {
        "numbers": [{"name": n, "se": e, "low": a, "high": b} for n, e, a, b in columns],
        "quantiles": list(QUANTILES),
        "chi_squared": (2.0 * special.gammaincinv(0.5 * len(names), QUANTILES)).tolist(),
        "iterations": [
            {
                "samples": one.samples,
                "resamples": one.resamples,
                "effective": one.effective,
                "mean_rise": one.mean_rise,
                "rises": list(one.rises),
            }
            for one in found.iterations
        ],
    }
