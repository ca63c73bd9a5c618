"""Effects of which values tell next to nothing: what they are, those of the others say, or nothing does.

With Omega parted into such effects T and all others K,

    eta_T = B eta_K + C u,     B = Omega_TK Omega_KK^-1,     C C' = Omega_TT - B Omega_KT,     u ~ N(0, I),

and where C is next to 0 effects lie on a plane. Draws that are held in place while Omega moves come to lie beside it,
where they have no weight at all; and where effects are all prior, as those of a share that has run to 1, a typical
value that moves them draws its score from their noise alone. So of T it is u that is held, and eta_T goes along with
the plane (Papaspiliopoulos, Roberts & Skold 2007, Stat Sci 22:59): predictions move along their slopes by eta_T, which
are taken once, and the score is

    E[ d log p(eta_K) + sum_t d log p(y | eta) / d eta_t (d mu_t + dB eta_K + B d eta_K + dC u)_t ].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.population.residuals import LOG_2PI

OWN = 0.02
"""Share of its variance, less than which an effect that is thin has of its own. With more, draws that are held in place
keep their weight as far as a population moves, and slopes of predictions are the worse approximation."""

TOLD = 0.1
"""Share of its variance, less than which values tell of an effect that is thin."""


def thin_of(omega: Floats, believed: Floats) -> tuple[int, ...]:
    """Effects of a covariance (d, d) that are thin, where patients' effects have covariances (N, d, d) given values:
    those of which values tell next to nothing, and, one after another given those that are left, who have no more as
    their own. Of several that make one another it is the one by which what values say changes least as the plane moves:
    it has most of the direction in which there is nothing, and values pull little at it."""
    variance = np.diag(omega)
    told = 1.0 - np.minimum(np.diagonal(believed, axis1=1, axis2=2) / variance, 1.0).mean(axis=0)
    thin = np.flatnonzero(told < TOLD).tolist()
    left, pull = [i for i in range(len(omega)) if i not in thin], _pull(omega, believed)
    while len(left) > 1:
        inside = omega[np.ix_(left, left)]
        own = 1.0 / (np.diag(np.linalg.inv(inside)) * np.diag(inside))
        alike = np.flatnonzero(own < OWN)
        if not len(alike):
            break
        thin.append(left.pop(int(alike[(pull[left] * own)[alike].argmin()])))
    return tuple(sorted(thin))


def _pull(omega: Floats, believed: Floats) -> Floats:
    """How hard values pull at each effect (d,), in units of its prior's precision: what they add to precision within
    the plane that effects lie next to. Across it a covariance of draws says nothing."""
    size = np.sqrt(np.diag(omega))
    told = (np.linalg.inv(believed).mean(axis=0) - np.linalg.inv(omega)) * np.outer(size, size)
    values, vectors = np.linalg.eigh(omega / np.outer(size, size))
    within = vectors[:, values >= OWN]
    inside = within @ within.T
    return np.asarray(np.maximum(np.diag(inside @ told @ inside), 0.0))


class Plane(NamedTuple):
    """What T and K are to one another at an Omega: B (T, K), lower C (T, T), and of Omega_KK the precision (K, K) and
    log determinant."""

    thin: tuple[int, ...]
    others: tuple[int, ...]
    slope: Floats
    own: Floats
    precision: Floats
    log_det: float

    @classmethod
    def of(cls, omega: Floats, thin: tuple[int, ...]) -> Plane:
        """Of a covariance (d, d)."""
        others = tuple(i for i in range(len(omega)) if i not in thin)
        order, k = [*others, *thin], len(others)
        lower = np.linalg.cholesky(omega[np.ix_(order, order)])
        back = np.linalg.inv(lower[:k, :k])
        log_det = 2.0 * float(np.log(np.diag(lower[:k, :k])).sum())
        slope, own = np.asarray(lower[k:, :k] @ back), np.asarray(lower[k:, k:])
        return cls(thin, others, slope, own, np.asarray(back.T @ back), log_det)

    def standard(self, eta: Floats) -> Floats:
        """u (N, S, T) of effects (N, S, D)."""
        away = eta[:, :, self.thin] - eta[:, :, self.others] @ self.slope.T
        return np.asarray(away @ np.linalg.inv(self.own).T)

    def placed(self, eta: Floats, u: Floats) -> Floats:
        """Effects (N, S, D) whose thin ones are those of u (N, S, T), and the others as they are."""
        found = eta.copy()
        found[:, :, self.thin] = eta[:, :, self.others] @ self.slope.T + u @ self.own.T
        return found

    def log_prior(self, eta: Floats, u: Floats) -> Floats:
        """log p(eta_K, u) (N, S)."""
        of_others = eta[:, :, self.others]
        square = ((of_others @ self.precision) * of_others).sum(axis=2) + (u * u).sum(axis=2)
        return np.asarray(-0.5 * (square + self.log_det + (len(self.thin) + len(self.others)) * LOG_2PI))

    def moved(self, change: Floats) -> tuple[Floats, Floats]:
        """dB and dC, of a change (d, d) of Omega."""
        t, k = list(self.thin), list(self.others)
        by = change[np.ix_(t, k)] - self.slope @ change[np.ix_(k, k)]
        slope = by @ self.precision
        # S = Omega_TT - B Omega_KT moves by this, for Omega_KK dB' + dOmega_KK B' = dOmega_KT.
        own = change[np.ix_(t, t)] - by @ self.slope.T - self.slope @ change[np.ix_(k, t)]
        back = np.linalg.inv(self.own)
        inner = np.tril(back @ (0.5 * (own + own.T)) @ back.T)
        inner[np.diag_indices(len(t))] *= 0.5
        return slope, self.own @ inner


class Pull(NamedTuple):
    """How values pull at thin effects, g = d log p(y | eta) / d eta_t: means of g (N, T), g eta_K (N, T, K) and g u
    (N, T, T) over each patient's draws."""

    plane: Plane
    alone: Floats
    along: Floats
    own: Floats

    @classmethod
    def of(cls, plane: Plane, share: Floats, slopes: Sequence[Floats], eta: Floats, u: Floats) -> Pull:
        """Of draws with shares (N, S), and g (N, S) of each thin effect."""
        weighed = np.stack([np.where(share > 0.0, share * np.nan_to_num(one), 0.0) for one in slopes], axis=1)
        return cls(plane, weighed.sum(axis=2), weighed @ eta[:, :, plane.others], weighed @ u)

    def by_omega(self, square: Floats, change: Floats) -> Floats:
        """Scores (N,) by what changes Omega so, with second moments (N, D, D) of effects."""
        plane, k = self.plane, list(self.plane.others)
        slope, own = plane.moved(change)
        inside = change[np.ix_(k, k)]
        moved = plane.precision @ inside @ plane.precision
        of_others = np.einsum("nij,ij->n", square[:, k][:, :, k], moved) - float((plane.precision * inside).sum())
        along = np.einsum("ntk,tk->n", self.along, slope) + np.einsum("ntu,tu->n", self.own, own)
        return np.asarray(0.5 * of_others + along)

    def by_mean(self, mean: Floats, direction: Floats) -> Floats:
        """Scores (N,) by a typical value which moves means of effects in a direction (D,), with their means (N, D)."""
        plane, t, k = self.plane, list(self.plane.thin), list(self.plane.others)
        of_others = mean[:, k] @ plane.precision @ direction[k]
        return np.asarray(of_others + self.alone @ (direction[t] - plane.slope @ direction[k]))
