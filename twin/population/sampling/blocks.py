"""Blocks of Omega, drawn given the effects that have them as their covariance.

A block of which every pair is listed is drawn from its conditional law,

    Omega ~ IW(Psi + sum eta eta', nu + n).

Without a prior of the analyst's its standard deviations are half-t with `FREEDOM` degrees and `WIDE` times the model's
as their scale, and correlations flat, so that it hardly matters by which factor the model's variances are off:
Psi = 2 nu diag(1/a), with 1/a gamma and drawn given Omega (Huang & Wand 2013, Bayesian Anal 8:439).

A block in which some pairs are not listed, whose covariances are 0, walks: standard deviations on their logarithm, and
correlations, one after another, each step taken or not (Metropolis) and none to where Omega is not positive definite.
Its standard deviations are half-t as well, each by itself, and its correlations flat over what is positive definite
with these zeros. A prior that is given is its inverse-Wishart there, in terms of the entries that are not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.population.means.means import Means
from twin.population.prior import Prior
from twin.population.theta import Theta
from twin.population.values import LEVELS, Level

FREEDOM = 2.0
"""Degrees of the half-t prior of standard deviations of effects: with 2 correlations are flat."""

WIDE = 3.0
"""Its scale, in standard deviations that the model says."""

ROUNDS = 10
"""Steps of each standard deviation and each correlation of a block that walks."""

WANTED = 0.44
"""Share of them that should be taken."""

TINY = 1e-12
"""Least share of its variance that an effect has of its own."""


class Block(Protocol):
    """Some effects of a level that correlate: their ``rows``."""

    @property
    def level(self) -> Level: ...

    @property
    def rows(self) -> tuple[int, ...]: ...

    def drawn(self, omega: Floats, square: Floats, count: int, rng: np.random.Generator, gain: float) -> Floats:
        """The block (d, d) anew, of ``count`` effects with sum eta eta' = ``square``; by ``gain`` what walks is
        tuned."""


@dataclass(frozen=True)
class Inverse:
    """The inverse-Wishart of a block: ``scale`` Psi, and ``degrees`` nu.

    Where ``widths`` (d,) are given, scales of half-t priors, ``scale`` is drawn given the block (`at`).
    """

    level: Level
    rows: tuple[int, ...]
    scale: Floats
    degrees: float
    widths: Floats | None = None

    @classmethod
    def weak(cls, level: Level, rows: tuple[int, ...], omega: Floats) -> Inverse:
        """Of a block that the model says is ``omega``."""
        widths = WIDE * np.sqrt(np.diag(omega))
        return cls(level, rows, np.diag(widths**2), FREEDOM + len(rows) - 1.0, widths)

    def at(self, omega: Floats, rng: np.random.Generator) -> Floats:
        """Psi, given the block."""
        if self.widths is None:
            return self.scale
        rate = FREEDOM * np.diag(np.linalg.inv(omega)) + self.widths**-2
        return np.diag(2.0 * FREEDOM * rng.gamma(0.5 * (FREEDOM + len(rate)), size=len(rate)) / rate)

    def drawn(self, omega: Floats, square: Floats, count: int, rng: np.random.Generator, gain: float) -> Floats:
        """The block (d, d) anew."""
        del gain  # nothing walks
        return inverse_wishart(self.at(omega, rng) + square, self.degrees + count, rng)


@dataclass(frozen=True)
class Walking:
    """A block with zeros.

    Attributes:
        pairs: (J, 2) places within it of the correlations that are not 0.
        scale, degrees: of a prior that is given; without one nothing, and -(d + 1).
        widths: (d,) scales of half-t priors, infinite where one is given.
        powers: (d,) of each standard deviation that its prior has beside, on the logarithm.
        length: (d + J,) of the steps, which tuning changes.
    """

    level: Level
    rows: tuple[int, ...]
    pairs: Integers
    scale: Floats
    degrees: float
    widths: Floats
    powers: Floats
    length: Floats = field(repr=False)

    @classmethod
    def of(
        cls, level: Level, rows: tuple[int, ...], omega: Floats, pattern: NDArray[np.bool_], given: Inverse | None
    ) -> Walking:
        """Of a block that the model says is ``omega``, with the zeros of a ``pattern`` (d, d)."""
        pairs = np.argwhere(np.tril(pattern, -1))
        d, beside = len(rows), np.bincount(pairs.reshape(-1), minlength=len(rows))
        length = np.full(d + len(pairs), 0.3)
        if given is None:
            widths = WIDE * np.sqrt(np.diag(omega))
            return cls(level, rows, pairs, np.zeros((d, d)), -d - 1.0, widths, np.ones(d), length)
        # d omega_ii = 2 s_i^2 d log s_i, and d omega_ij = s_i s_j d r_ij.
        powers = np.asarray(2.0 + beside, dtype=np.float64)
        return cls(level, rows, pairs, given.scale, given.degrees, np.full(d, np.inf), powers, length)

    def drawn(self, omega: Floats, square: Floats, count: int, rng: np.random.Generator, gain: float) -> Floats:
        """The block (d, d) anew."""
        standard = rng.standard_normal((ROUNDS, len(self.length)))
        limits = np.log(rng.random(standard.shape))
        found = omega.copy()
        power = count + self.degrees + len(omega) + 1.0
        taken = _walked(
            found, self.pairs, self.scale + square, power, self.powers, self.widths, self.length, standard, limits
        )
        self.length[:] *= np.exp(gain * (taken / ROUNDS - WANTED))
        return found


def blocks(theta: Theta) -> list[Block]:
    """Every free block of Omega with its prior."""
    prior = theta.prior if isinstance(theta.prior, Prior) else None
    known = {} if prior is None else {(block.level, block.rows): block for block in prior.blocks(theta)}
    found: list[Block] = []
    for level in LEVELS:
        for rows in theta.blocks(level):
            within = np.ix_(rows, rows)
            omega, pattern = theta.start.covariance(level)[within], theta.patterns[level][within]
            said = known.get((level, rows))
            given = None if said is None else Inverse(level, rows, said.degrees * said.matrix, said.degrees)
            if not pattern.all():
                found.append(Walking.of(level, rows, omega, pattern, given))
            else:
                found.append(Inverse.weak(level, rows, omega) if given is None else given)
    return found


def omega_drawn(
    of: Sequence[Block],
    means: Means,
    theta: Theta,
    vector: Floats,
    eta: Floats,
    rng: np.random.Generator,
    of_sites: Floats | None = None,
    *,
    here: NDArray[np.bool_] | None = None,
    gain: float = 0.0,
) -> Floats:
    """A vector (K,) with blocks of Omega drawn anew, of effects (N, D), and of those (n, q) of sites.

    Args:
        here: (N,) whose effects count, of members of a mixture; without it everybody's.
        gain: by which steps of blocks that walk are tuned.
    """
    population = theta.unpack(vector)
    found = {level: population.covariance(level).copy() for level in LEVELS}
    for block in of:
        rows, within = list(block.rows), np.ix_(block.rows, block.rows)
        if block.level == "isv":
            assert of_sites is not None, "sites differ"
            effects = of_sites[:, rows]
        else:
            effects = _met(block, means, eta, here)
        square = effects.T @ effects
        found[block.level][within] = block.drawn(found[block.level][within], square, len(effects), rng, gain)
    return theta.pack(population.with_covariances(found))


def _met(block: Block, means: Means, eta: Floats, here: NDArray[np.bool_] | None) -> Floats:
    """Effects (n, d) of a block that the data have met, of patients, or of all their occasions or steps."""
    met = means.active if here is None else means.active & here[:, None]
    each = [part.start + np.array(block.rows) for part in means.parts[block.level]]
    nobody = np.empty((0, len(block.rows)))
    return np.concatenate([nobody, *(eta[met[:, columns[0]]][:, columns] for columns in each)])


def inverse_wishart(scale: Floats, degrees: float, rng: np.random.Generator) -> Floats:
    """A draw (d, d) of density |X|^(-(nu + d + 1)/2) exp(-tr(scale X^-1)/2), by Bartlett's decomposition."""
    d = len(scale)
    lower = np.tril(rng.standard_normal((d, d)), -1)
    lower[np.diag_indices(d)] = np.sqrt(rng.chisquare(degrees - np.arange(d)))
    # X^-1 is Wishart with the inverse of the scale: X = F F' with F = chol(scale) A'^-1.
    factor = np.linalg.cholesky(scale) @ np.linalg.inv(lower).T
    found = factor @ factor.T
    return np.asarray(0.5 * (found + found.T))


@compiled
def _walked(omega, pairs, square, power, powers, widths, length, standard, limits):  # type: ignore[no-untyped-def]
    """Steps of a block (d, d), which is changed; how many were taken (d + J,) of each number."""
    d, rounds = len(omega), len(standard)
    taken = np.zeros(len(length))
    here = _log_density(omega, square, power, powers, widths)
    moved = omega.copy()
    for n in range(rounds):
        for k in range(len(length)):
            by = length[k] * standard[n, k]
            moved[:] = omega
            if k < d:
                for i in range(d):
                    moved[k, i] *= np.exp(by)
                    moved[i, k] *= np.exp(by)
            else:
                i, j = pairs[k - d]
                moved[i, j] += by * np.sqrt(omega[i, i] * omega[j, j])
                moved[j, i] = moved[i, j]
            there = _log_density(moved, square, power, powers, widths)
            if there - here > limits[n, k]:
                omega[:] = moved
                here = there
                taken[k] += 1.0
    return taken


@compiled
def _log_density(omega, square, power, powers, widths):  # type: ignore[no-untyped-def]
    """Of log standard deviations and correlations, up to a constant; minus infinity where nothing is."""
    d = len(omega)
    lower = np.zeros((d, d))
    for i in range(d):
        for j in range(i + 1):
            rest = omega[i, j]
            for k in range(j):
                rest -= lower[i, k] * lower[j, k]
            if i > j:
                lower[i, j] = rest / lower[j, j]
            elif rest > TINY * omega[i, i]:
                lower[i, i] = np.sqrt(rest)
            else:
                return -np.inf
    log = 0.0
    for i in range(d):
        variance = omega[i, i]
        log += 0.5 * powers[i] * np.log(variance) - power * np.log(lower[i, i])
        log -= 0.5 * (FREEDOM + 1.0) * np.log1p(variance / (FREEDOM * widths[i] ** 2))
    # trace(Omega^-1 S) = sum of squares of L^-1 S L'^-1 on the diagonal.
    inverse = np.zeros((d, d))
    for i in range(d):
        inverse[i, i] = 1.0 / lower[i, i]
        for j in range(i):
            for k in range(j, i):
                inverse[i, j] -= lower[i, k] * inverse[k, j]
            inverse[i, j] /= lower[i, i]
    for i in range(d):
        for j in range(i + 1):
            for k in range(i + 1):
                log -= 0.5 * inverse[i, j] * square[j, k] * inverse[i, k]
    return log
