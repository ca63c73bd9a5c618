"""What draws of a posterior say, and whether there are enough: summaries, R-hat and effective numbers of draws.

Both are of draws that are made normal by their ranks, as Stan's are, so that heavy tails do not hide what chains
disagree on (Vehtari et al. 2021, Bayesian Anal 16:667). R-hat is that of halves of the chains (Gelman et al. 2013,
Bayesian Data Analysis, 11.4), of the draws or of their distance from the median, whichever is larger. The effective
number sums autocorrelations over all chains while pairs of them are positive (Geyer 1992, Stat Sci 7:473), and is that
of the middle or of whether a draw is in the outer 5 %, whichever is smaller.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from twin.arrays import Floats

MIXED, ENOUGH = 1.01, 400.0
"""The largest R-hat, and the least effective number of draws, of chains that are believed (Vehtari et al. 2021)."""

TAILS = (0.05, 0.95)
"""Quantiles whose share of draws has an effective number too."""

MEND = "its interval is not to be relied on: say what is known of it (--prior), fix it, or leave its effect out"

LEVELS = (2.5, 50.0, 97.5)


@dataclass(frozen=True)
class Posterior:
    """Draws (C, S, K) of the numbers ``names``, of C chains, with what is stated of the prior in words.

    ``held`` is the share of steps in which a chain stayed, since classes would have changed names.
    """

    names: tuple[str, ...]
    draws: Floats
    prior: str
    held: float = 0.0

    @property
    def mean(self) -> Floats:
        """(K,)."""
        return np.asarray(self.draws.mean(axis=(0, 1)))

    @property
    def sd(self) -> Floats:
        """(K,)."""
        return np.asarray(self.draws.std(axis=(0, 1), ddof=1))

    @property
    def quantiles(self) -> Floats:
        """(3, K) the median between the limits of a 95 % interval."""
        return np.asarray(np.percentile(self.draws.reshape(-1, len(self.names)), LEVELS, axis=0))

    @functools.cached_property
    def r_hat(self) -> Floats:
        """(K,)."""
        folded = np.abs(self.draws - np.median(self.draws, axis=(0, 1)))
        return np.asarray(np.maximum(r_hat(by_rank(self.draws)), r_hat(by_rank(folded))))

    @functools.cached_property
    def effective(self) -> Floats:
        """(K,) effective numbers of draws."""
        outer = np.quantile(self.draws, TAILS, axis=(0, 1))
        tails = [effective((self.draws <= one).astype(np.float64)) for one in outer]
        return np.asarray(np.minimum.reduce([effective(by_rank(self.draws)), *tails]))

    @property
    def problem(self) -> str:
        """What did not mix, in words; empty where everything did."""
        at = int(np.argmax(self.r_hat))
        if self.r_hat[at] > MIXED:
            size = self.draws.shape[1]
            return f"chains of {size} draws disagree on {self.names[at]}: R-hat {self.r_hat[at]:.3f}; {MEND}"
        at = int(np.argmin(self.effective))
        if self.effective[at] < ENOUGH:
            return f"draws of {self.names[at]} are worth {self.effective[at]:.0f} independent ones; {MEND}"
        return ""


def by_rank(draws: Floats) -> Floats:
    """Standard normal scores (C, S, K) of the ranks of draws, among all chains."""
    count = draws.shape[0] * draws.shape[1]
    ranks = stats.rankdata(draws.reshape(count, -1), axis=0)
    return np.asarray(special.ndtri((ranks - 0.375) / (count + 0.25))).reshape(draws.shape)


def r_hat(draws: Floats) -> Floats:
    """(K,) of draws (C, S, K)."""
    half = draws.shape[1] // 2
    parts = np.concatenate([draws[:, :half], draws[:, half : 2 * half]])
    within = parts.var(axis=1, ddof=1).mean(axis=0)
    between = half * parts.mean(axis=1).var(axis=0, ddof=1)
    # What never moved is as it was meant to be.
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.sqrt(((half - 1) / half * within + between / half) / within)
    return np.where(within > 0.0, ratio, np.where(between > 0.0, np.inf, 1.0))


def effective(draws: Floats) -> Floats:
    """Effective numbers (K,) of draws (C, S, K)."""
    chains, size, count = draws.shape
    away = draws - draws.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(away, 2 * size, axis=1)
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :size].mean(axis=0) / size
    within = covariance[0] * size / (size - 1)
    between = draws.mean(axis=1).var(axis=0, ddof=1) if chains > 1 else np.zeros(count)
    variance = covariance[0] + between
    found = np.empty(count)
    for k in range(count):
        if variance[k] <= 0.0:
            found[k] = chains * size
            continue
        correlation = 1.0 - (within[k] - covariance[:, k]) / variance[k]
        pairs = correlation[: size // 2 * 2].reshape(-1, 2).sum(axis=1)
        ends = np.flatnonzero(pairs <= 0.0)
        kept = np.minimum.accumulate(pairs[: ends[0] if len(ends) else len(pairs)])
        found[k] = min(chains * size, chains * size / max(2.0 * kept.sum() - 1.0, 1e-3))
    return found
