"""A network learnt within the likelihood of a population: no kernel is called, for patients' draws stand still.

Draws e_is of a patient's effects, made once under a fitted population, have with them all of their importance but for
the prior of eta,

    c_is = log p(y_i | e_is) + log p(kappas) - log q_i(e_is),

so that under *any* typical values mu_i = delta + shift(x_i) and Omega

    log L_i = log 1/S sum_s exp(c_is) N(e_is; mu_i, Omega).

That is what is climbed, by typical values, Omega and weights together and with its exact gradient (Fisher's identity):

    d log L_i / d mu_i  = Omega^-1 (E_i[e] - mu_i)
    d log L_i / d Omega = Omega^-1 (E_i[(e - mu)(e - mu)'] - Omega) Omega^-1 / 2

with the means of the E-step of an EM, whose maximum it shares without its slowness. Numbers that no random effect goes
with (residual errors, parameters that are the same in everybody) stay as they were fitted.

Gates of standardised covariates and weights are drawn towards 0 by half the penalty times their squares. An effect is a
product of three of them, a gate and two weights, so that small ones are drawn most (as by the power 2/3 of their size):
a covariate that says little has its gate closed, and a strong penalty leaves no network at all. It counts by the root
of the number of patients, as the noise in what it is held against does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import optimize

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.population.theta import Theta


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


LEAST_LEFT = 0.1
"""Of an effect's variance, given those before it, what a network cannot explain away: draws that were made under all of
it do not cover less."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws of N patients' effects, solved once.

    Attributes:
        theta: of the population that they were made under; ``vector`` (K,): that population.
        directions: (K, d) what each number does to eta's mean.
        eta: (N, S, d); ``log``: (N, S) c.
    """

    theta: Theta
    vector: Floats
    directions: Floats
    eta: Floats
    log: Floats

    def __len__(self) -> int:
        return len(self.eta)

    def of(self, which: Integers) -> Drawn:
        """Of some patients, perhaps of some repeatedly."""
        return replace(self, eta=self.eta[which], log=self.log[which])

    def log_likelihood(self, vector: Floats, shifts: Floats) -> Floats:
        """(N,) of a population (K,) whose typical values are shifted (N, d) for each patient."""
        mean = self.mean(vector) + shifts
        omega = self.theta.unpack(vector).omega
        return np.asarray(_expected(self.eta, self.log, mean, *_prior(omega))[0])

    def least_size(self, vector: Floats, shifts: Floats) -> float:
        """The least effective number of draws that any patient has there."""
        mean = self.mean(vector) + shifts
        return float(_expected(self.eta, self.log, mean, *_prior(self.theta.unpack(vector).omega))[3].min())

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
    free = np.flatnonzero(drawn.directions.any(axis=1) | np.array([e.kind == "omega" for e in theta.elements]))
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
        omega = theta.unpack(moved).omega
        precision, log_det = _prior(omega)
        log, off, square, _ = _expected(drawn.eta, drawn.log, mean, precision, log_det)
        by_mean = off @ precision
        by_omega = 0.5 * (precision @ square @ precision - len(drawn) * precision)
        slope = drawn.directions @ by_mean.sum(axis=0) + _by_elements(theta, moved, omega, by_omega)
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
        if (e := theta.elements[k]).kind == "omega" and e.i == e.j
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


def _by_elements(theta: Theta, vector: Floats, omega: Floats, by_omega: Floats) -> Floats:
    """(K,) derivatives by the elements that Omega is made of, of those (d, d) by its entries."""
    found = np.zeros(theta.size)
    blocks = theta.blocks("omega")
    if all(theta.patterns["omega"][np.ix_(block, block)].all() for block in blocks):
        lower = np.linalg.cholesky(omega)
        by_lower = 2.0 * by_omega @ lower
        for place, (kind, i, j) in enumerate(theta.elements):
            if kind == "omega":
                found[place] = by_lower[i, j] * (lower[i, i] if i == j else 1.0)
    else:  # entries that stay 0 make those of the factor depend on one another
        for place, change in theta.omega_slopes(vector, "omega").items():
            found[place] = float((by_omega * change).sum())
    return found


def _prior(omega: Floats) -> tuple[Floats, float]:
    return np.asarray(np.linalg.inv(omega)), float(np.linalg.slogdet(omega)[1])


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
