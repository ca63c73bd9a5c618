"""A network learnt within the likelihood of a population: no kernel is called, for patients' draws stand still.

Draws e_is of a patient's effects, made once under a fitted population, have with them all of their importance but for
the prior of eta,

    c_is = log p(y_i | e_is) + log p(kappas) - log q_i(e_is),

so that under *any* typical values mu_i = delta + shift(x_i) and Omega

    log L_i = log 1/S sum_s exp(c_is) N(e_is; mu_i, Omega).

That is what is climbed, by typical values, Omega and weights together and with its exact gradient (Fisher's identity):

    d log L_i / d mu_i  = Omega^-1 (E_i[e] - mu_i)
    d log L_i / d Omega = Omega^-1 (E_i[(e - mu)(e - mu)'] - Omega) Omega^-1 / 2

with the means of the E-step of an EM, whose maximum it shares without its slowness. Where sites differ, e is that of a
patient and its site together, and a site counts with the integral over its effects b of the product of its patients'
sums (`twin.population.importance.site_integral`); the means are of e - b then, and those of b climb Omega_isv. Numbers
that no random effect goes with (residual errors, parameters that are the same in everybody) stay as they were fitted.

Gates of standardised covariates and weights are drawn towards 0 by half the penalty times their squares. An effect is a
product of three of them, a gate and two weights, so that small ones are drawn most (as by the power 2/3 of their size):
a covariate that says little has its gate closed, and a strong penalty leaves no network at all. It counts by the root
of the number of patients, as the noise in what it is held against does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import optimize

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.population.importance.site_integral import integrated
from twin.population.residuals import LOG_2PI
from twin.population.sites.membership import drawn_sites
from twin.population.theta import Theta
from twin.population.values import Level, Population


class Weights(NamedTuple):
    """Of a network whose inputs are gated: ``gate`` (C,) of covariates, ``unit`` (H, 1 + C) of hidden units, the first
    for what does not depend on covariates, ``outer`` (P, H) of parameters, in standard deviations of their effects."""

    gate: Floats
    unit: Floats
    outer: Floats

    @property
    def inner(self) -> Floats:
        """(H, 1 + C) of hidden units with the gates in them."""
        return np.column_stack([self.unit[:, 0], self.unit[:, 1:] * self.gate])

    def packed(self) -> Floats:
        """All of them in a row."""
        return np.concatenate([each.ravel() for each in self])

    def unpacked(self, row: Floats) -> Weights:
        """Others of the same shapes."""
        ends = np.cumsum([each.size for each in self])[:-1]
        return Weights(*(part.reshape(each.shape) for part, each in zip(np.split(row, ends), self, strict=True)))

    @property
    def drawn_in(self) -> Weights:
        """What is drawn towards 0: all but the levels of hidden units."""
        unit = self.unit.copy()
        unit[:, 0] = 0.0
        return Weights(self.gate, unit, self.outer)


MOST_STEPS, FLAT = 300, 1e-6
"""Steps of a climb at most, and the share of the likelihood below which one more is not worth making."""


LEVELS: tuple[Level, ...] = ("omega", "isv")
"""Whose covariances are climbed: of patients and of sites."""

LEAST_LEFT = 0.1
"""Of an effect's variance, given those before it, what a network cannot explain away: draws that were made under all of
it do not cover less."""


class Expected(NamedTuple):
    """What N patients' draws come to under a population.

    Attributes:
        log: (N,) log likelihoods.
        off: (N, d) E[e - mean], without what is of the site.
        effective: (N,) effective draws.
        square, many: of patients (``omega``) and of sites (``isv``) the sum of second moments of effects about their
            means, and how many there are.
    """

    log: Floats
    off: Floats
    effective: Floats
    square: Mapping[Level, Floats]
    many: Mapping[Level, int]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws of N patients' effects, solved once.

    Attributes:
        theta: of the population that they were made under; ``vector`` (K,): that population.
        directions: (K, d) what each number does to eta's mean.
        eta: (N, S, d); ``log``: (N, S) c.
        site: (N,) number of each patient's site; ``None`` where sites do not differ.
    """

    theta: Theta
    vector: Floats
    directions: Floats
    eta: Floats
    log: Floats
    site: Integers | None = None

    def __len__(self) -> int:
        return len(self.eta)

    def of(self, which: Integers) -> Drawn:
        """Of some patients, sorted, perhaps of some repeatedly: a site that is there repeatedly is as many sites."""
        site = None if self.site is None else drawn_sites(self.site, which)
        return replace(self, eta=self.eta[which], log=self.log[which], site=site)

    @property
    def alone(self) -> Integers:
        """(N,) number of the site of each, who is one alone where sites do not differ."""
        return np.arange(len(self)) if self.site is None else self.site

    def log_likelihood(self, vector: Floats, shifts: Floats) -> Floats:
        """(N,) of a population (K,) whose typical values are shifted (N, d) for each patient; that of a site is in
        equal parts of its patients."""
        return self.expected(self.mean(vector) + shifts, self.theta.unpack(vector)).log

    def least_size(self, vector: Floats, shifts: Floats) -> float:
        """The least effective number of draws that any patient has there."""
        return float(self.expected(self.mean(vector) + shifts, self.theta.unpack(vector)).effective.min())

    def expected(self, mean: Floats, population: Population) -> Expected:
        """What draws come to where effects have these means (N, d)."""
        if self.site is None:
            precision, log_det = population.precision("omega"), population.log_det("omega")
            log, off, square, effective = _expected(self.eta, self.log, mean, precision, log_det)
            return Expected(log, off, effective, {"omega": square}, {"omega": len(self)})
        away = self.eta - mean[:, None]
        terms = self.log - 0.5 * np.einsum("nsi,ij,nsj->ns", away, population.precision("omega"), away, optimize=True)
        terms -= 0.5 * (population.log_det("omega") + away.shape[2] * LOG_2PI)
        above = np.eye(away.shape[2])[:, list(population.site_columns)]
        found = integrated(terms, away, population.precision("omega"), above, population, self.site)
        squares: dict[Level, Floats] = {"omega": found.square.sum(axis=0), "isv": found.of_sites.sum(axis=0)}
        counts: dict[Level, int] = {"omega": len(self), "isv": len(found.of_sites)}
        effective = 1.0 / np.maximum((found.share * found.share).sum(axis=1), 1e-300)
        return Expected(found.log, found.away, effective, squares, counts)

    def mean(self, vector: Floats) -> Floats:
        """(d,) of eta, about 0 where the draws were made."""
        return np.asarray((vector - self.vector) @ self.directions)


def climbed(
    drawn: Drawn, x: Floats, at: Integers, penalty: float, begin: Weights | None, vector: Floats | None = None
) -> tuple[Floats, Weights | None]:
    """Typical values and Omega as a vector (K,), and weights, of the greatest penalised likelihood.

    Args:
        x: (N, C) standardised covariates.
        at: (P,) which effects are shifted.
        begin: weights to begin with; ``None`` for a population without a network.
        vector: where to begin; by default where the draws were made.
    """
    theta = drawn.theta
    spread = np.array([e.kind in LEVELS for e in theta.elements])
    free = np.flatnonzero(drawn.directions.any(axis=1) | spread)
    start = drawn.vector if vector is None else vector
    sd = np.sqrt(np.diag(theta.unpack(drawn.vector).omega))[at]
    one = np.column_stack([np.ones(len(x)), x])
    strength = penalty * np.sqrt(len(x))

    def down(packed: Floats) -> tuple[float, Floats]:
        moved = start.copy()
        moved[free] = packed[: len(free)]
        mean = np.repeat(drawn.mean(moved)[None], len(drawn), axis=0)
        weights = None if begin is None else begin.unpacked(packed[len(free) :])
        if weights is not None:
            hidden = np.tanh(one @ weights.inner.T)
            mean[:, at] += (hidden @ weights.outer.T) * sd
        population = theta.unpack(moved)
        found = drawn.expected(mean, population)
        log = found.log
        by_mean = found.off @ population.precision("omega")
        slope = drawn.directions @ by_mean.sum(axis=0)
        for level, square in found.square.items():
            slope += _by_elements(theta, moved, population, level, square, found.many[level])
        if weights is None:
            return -float(log.sum()), -slope[free]
        by_shift = by_mean[:, at] * sd
        held = weights.drawn_in
        to_inner = ((by_shift @ weights.outer) * (1.0 - hidden * hidden)).T @ one
        to_unit = to_inner * np.concatenate([[1.0], weights.gate])
        to_gate = (to_inner[:, 1:] * weights.unit[:, 1:]).sum(axis=0)
        by_weights = Weights(to_gate, to_unit, by_shift.T @ hidden).packed() - strength * held.packed()
        total = float(log.sum()) - 0.5 * strength * float((held.packed() ** 2).sum())
        return -total, -np.concatenate([slope[free], by_weights])

    packed = np.concatenate([start[free], *([] if begin is None else [begin.packed()])])
    least = np.full(len(packed), -np.inf)
    least[: len(free)] = [
        drawn.vector[k] + 0.5 * np.log(LEAST_LEFT)
        if (e := theta.elements[k]).kind in LEVELS and e.i == e.j
        else -np.inf
        for k in free
    ]
    bounds = optimize.Bounds(least, np.full(len(packed), np.inf))
    ended = optimize.minimize(
        down, packed, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MOST_STEPS, "ftol": FLAT}
    )
    found = start.copy()
    found[free] = ended.x[: len(free)]
    return found, None if begin is None else begin.unpacked(ended.x[len(free) :])


def first_weights(rng: np.random.Generator, hidden: int, covariates: int, parameters: int) -> Weights:
    """Where a climb begins: all gates alike, and small, each unit another way."""
    unit = rng.normal(size=(hidden, 1 + covariates))
    return Weights(np.full(covariates, 0.5), unit, 0.3 * rng.normal(size=(parameters, hidden)))


def shifts_of(weights: Weights, drawn: Drawn, x: Floats, at: Integers) -> Floats:
    """(N, d) by weights of standardised covariates (N, C)."""
    inner = weights.inner
    sd = np.sqrt(np.diag(drawn.theta.unpack(drawn.vector).omega))
    found = np.zeros((len(x), len(sd)))
    found[:, at] = np.tanh(inner[:, 0] + x @ inner[:, 1:].T) @ weights.outer.T * sd[at]
    return found


def _by_elements(
    theta: Theta, vector: Floats, population: Population, level: Level, square: Floats, count: int
) -> Floats:
    """(K,) derivatives by the elements that a covariance is made of, by sums of squares of so many effects."""
    covariance = population.covariance(level)
    precision = np.linalg.inv(covariance)
    by_entry = 0.5 * (precision @ square @ precision - count * precision)
    found = np.zeros(theta.size)
    blocks = theta.blocks(level)
    if all(theta.patterns[level][np.ix_(block, block)].all() for block in blocks):
        lower = np.linalg.cholesky(covariance)
        by_lower = 2.0 * by_entry @ lower
        for place, (kind, i, j) in enumerate(theta.elements):
            if kind == level:
                found[place] = by_lower[i, j] * (lower[i, i] if i == j else 1.0)
    else:  # entries that stay 0 make those of the factor depend on one another
        for place, change in theta.omega_slopes(vector, level).items():
            found[place] = float((by_entry * change).sum())
    return found


@compiled
def _expected(eta, log, mean, precision, log_det):  # type: ignore[no-untyped-def]
    """Log likelihoods (N,), E[e] - mean (N, d), the sum of E[(e - mean)(e - mean)'] (d, d), effective draws (N,)."""
    count, size, d = eta.shape
    total, off, square, effective = np.empty(count), np.zeros((count, d)), np.zeros((d, d)), np.empty(count)
    term, away = np.empty(size), np.empty(d)
    for n in range(count):
        top = -np.inf
        for s in range(size):
            quadratic = 0.0
            for i in range(d):
                away[i] = eta[n, s, i] - mean[n, i]
                for j in range(i):
                    quadratic += 2.0 * precision[i, j] * away[i] * away[j]
                quadratic += precision[i, i] * away[i] * away[i]
            term[s] = log[n, s] - 0.5 * quadratic
            top = max(top, term[s])
        mass, squared = 0.0, 0.0
        for s in range(size):
            term[s] = np.exp(term[s] - top)
            mass += term[s]
            squared += term[s] * term[s]
        for s in range(size):
            share = term[s] / mass
            if share < 1e-12:
                continue
            for i in range(d):
                away[i] = eta[n, s, i] - mean[n, i]
                off[n, i] += share * away[i]
                for j in range(i + 1):
                    square[i, j] += share * away[i] * away[j]
        total[n] = top + np.log(mass / size) - 0.5 * (log_det + d * np.log(2.0 * np.pi))
        effective[n] = mass * mass / squared
    for i in range(d):
        for j in range(i):
            square[j, i] = square[i, j]
    return total, off, square, effective
