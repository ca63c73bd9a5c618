"""Posteriors found without the twin: by dense quadrature in few dimensions, else by a long-run Markov chain.

Models are handed in as a log likelihood and as forecasts worked out by hand, priors as covariances. Nothing here
imports the twin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from twin.arrays import Floats

Function = Callable[[Floats], Floats]

WALKERS, SWEEPS, DISCARDED = 1000, 80, 40
"""Of a long run: draws are kept from the sweeps that are not discarded."""

POINTS = {1: 4001, 2: 301, 3: 81}
"""Points of the quadrature along each axis, by dimension."""


@dataclass(frozen=True)
class Reference:
    """Weighted points eta (M, d) of a posterior, weights (M,) that sum to one; the evidence where it is known."""

    eta: Floats
    weight: Floats
    log_evidence: float | None = None


def moments(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Means and standard deviations (F,) of values (M, F)."""
    mean = weight @ values
    return mean, np.sqrt(weight @ (values - mean) ** 2)


def log_normal(value: float, centre: Floats, spread: Floats | float) -> Floats:
    """Log density of a normal measurement."""
    return np.asarray(-0.5 * ((value - centre) / spread) ** 2 - np.log(spread) - 0.5 * np.log(2 * np.pi))


def log_prior(eta: Floats, covariance: Floats) -> Floats:
    """Log density (M,) of eta ~ N(0, covariance)."""
    white = np.linalg.solve(np.linalg.cholesky(covariance), eta.T)
    _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
    return np.asarray(-0.5 * (white * white).sum(axis=0) - 0.5 * log_det)


def _density(log_likelihood: Function, covariance: Floats) -> Function:
    """log(prior * likelihood); nothing where a level underflows, far out in the prior."""

    def density(eta: Floats) -> Floats:
        with np.errstate(all="ignore"):
            value = log_likelihood(eta) + log_prior(eta, covariance)
        return np.where(np.isfinite(value), value, -np.inf)

    return density


# --- quadrature ------------------------------------------------------------------------------------------------------


def quadrature(log_likelihood: Function, covariance: Floats) -> Reference:
    """The posterior on a grid laid along its own axes, found on a coarse grid over the prior.

    A grid of every second point gives the same means and deviations, or an assertion fails: then the grid is too
    coarse.
    """
    dimension = len(covariance)
    density = _density(log_likelihood, covariance)

    axes, centre = np.linalg.cholesky(covariance), np.zeros(dimension)
    low, high = np.full(dimension, -6.0), np.full(dimension, 6.0)
    points = POINTS[dimension]
    for _ in range(3):  # over the prior; along the axes of what was found; and once more, closer
        grid = np.stack(
            np.meshgrid(*(np.linspace(a, b, points) for a, b in zip(low, high, strict=True)), indexing="ij"), axis=-1
        ).reshape(-1, dimension)
        eta = centre + grid @ axes.T
        log_density = density(eta)
        step = np.prod((high - low) / (points - 1)) * abs(np.linalg.det(axes))
        top = log_density.max()
        raw = np.exp(log_density - top)
        weight = raw / raw.sum()
        mean = weight @ eta
        apart = eta - mean
        spread = (apart * weight[:, None]).T @ apart + 1e-12 * np.eye(dimension)
        inside = log_density > top - 22.0
        values, vectors = np.linalg.eigh(spread)
        axes, centre = vectors * np.sqrt(values), mean
        reach = np.linalg.solve(axes, (eta[inside] - mean).T)
        margin = 1.0 + 0.02 * (reach.max(axis=1) - reach.min(axis=1))
        low, high = reach.min(axis=1) - margin, reach.max(axis=1) + margin
    index = np.indices((points,) * dimension).reshape(dimension, -1)
    second = (index % 2 == 0).all(axis=0)
    (mean, sd), (half_mean, half_sd) = moments(eta, weight), moments(eta[second], weight[second] / weight[second].sum())
    assert np.abs(mean - half_mean).max() < 0.01 * sd.min(), "the grid is too coarse for a mean"
    assert np.abs(half_sd / sd - 1).max() < 0.01, "the grid is too coarse for a deviation"
    kept = weight > 1e-12 * weight.max()
    return Reference(eta[kept], weight[kept] / weight[kept].sum(), float(top + np.log(raw.sum() * step)))


# --- Markov chains ---------------------------------------------------------------------------------------------------


def long_run(log_likelihood: Function, covariance: Floats, seed: int) -> Reference:
    """An ensemble of walkers, each half stepping along differences within the other (ter Braak 2006)."""
    rng = np.random.default_rng(seed)
    dimension = len(covariance)
    density = _density(log_likelihood, covariance)

    # Walkers start where the prior and the values meet roughly, so that little of the chain is its approach.
    start = rng.standard_normal((4 * WALKERS, dimension)) @ np.linalg.cholesky(covariance).T
    log_weight = density(start) - log_prior(start, covariance)
    weight = np.exp(log_weight - log_weight.max())
    eta = start[rng.choice(len(start), WALKERS, p=weight / weight.sum())]
    current = density(eta)
    kept = []
    half = WALKERS // 2
    for sweep in range(SWEEPS):
        for movers, others in ((np.arange(half), half + np.arange(half)), (half + np.arange(half), np.arange(half))):
            one, two = rng.permutation(others), rng.permutation(others)
            gamma = np.where(rng.random(half) < 0.1, 1.0, 2.38 / np.sqrt(2 * dimension))
            step = gamma[:, None] * (eta[one] - eta[two]) + 1e-4 * rng.standard_normal((half, dimension))
            proposed = eta[movers] + step
            candidate = density(proposed)
            accepted = np.log(rng.random(half)) < candidate - current[movers]
            eta[movers[accepted]] = proposed[accepted]
            current[movers[accepted]] = candidate[accepted]
        if sweep >= DISCARDED:
            kept.append(eta.copy())
    early, late = np.concatenate(kept[: len(kept) // 2]), np.concatenate(kept[len(kept) // 2 :])
    drift = np.abs(early.mean(axis=0) - late.mean(axis=0)) / late.std(axis=0)
    assert drift.max() < 0.06, f"the reference chain has not settled: {drift}"
    draws = np.concatenate(kept)
    return Reference(draws, np.full(len(draws), 1.0 / len(draws)))


# --- equations -------------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def cells(drug, extra, nodes, base, ktr, slope, gamma):  # type: ignore[no-untyped-def]
    """Circulating cells (T, N) at ``nodes`` (T,) by the classical Runge-Kutta scheme: stem cells, three in transit.

    ``drug`` and ``extra`` input (2 T - 1, N) at nodes and midpoints; base, ktr, slope (N,).
    """
    found = np.empty((len(nodes), len(base)))
    x, k, y = np.empty(5), np.empty((4, 5)), np.empty(5)
    for n in range(len(base)):
        x[:] = base[n]
        found[0, n] = base[n]
        for i in range(len(nodes) - 1):
            h = nodes[i + 1] - nodes[i]
            for stage in range(4):
                at = 2 * i + (stage + 1) // 2
                reach = 0.0 if stage == 0 else (h if stage == 3 else 0.5 * h)
                for j in range(5):
                    y[j] = x[j] + (reach * k[stage - 1, j] if stage else 0.0)
                feedback = (base[n] / y[4]) ** gamma
                k[stage, 0] = ktr[n] * y[0] * ((1 - slope[n] * drug[at, n]) * feedback - 1)
                for j in range(1, 5):
                    k[stage, j] = ktr[n] * (y[j - 1] - y[j])
                k[stage, 4] += extra[at, n]
            for j in range(5):
                x[j] = max(x[j] + h / 6 * (k[0, j] + 2 * k[1, j] + 2 * k[2, j] + k[3, j]), 1e-12)
            found[i + 1, n] = x[4]
    return found


def with_midpoints(nodes: Floats) -> Floats:
    """Nodes and the midpoints between them."""
    return np.sort(np.concatenate([nodes, 0.5 * (nodes[1:] + nodes[:-1])]))
