"""What draws of effects are weighed by: log p(values | effects), for several populations side by side.

Points of a patient come in G groups of equally many, one after another, each with a population of its own: a typical
value moves predictions as its own effect does (`twin.population.cohort.Cohort.directions`), so that everybody's
points under all populations are solved in one call.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec
from twin.population.importance.density import Density, Read
from twin.population.residuals import LOG_2PI


class Target:
    """The likelihood of effects under the populations of vectors (G, K).

    ``centres`` (N, C, D) are what the effects of each patient are about in each of C chains: those of its site, which
    are held here; 0 where there are none.
    """

    def __init__(self, density: Density, vectors: Floats, centres: Floats | None = None) -> None:
        self.centres = centres
        cohort = density.cohort
        self.density, self.vectors = density, np.atleast_2d(vectors)
        self.populations = tuple(cohort.theta.unpack(vector) for vector in self.vectors)
        self.factors = [np.linalg.cholesky(p.prior(cohort.parts)[0]) for p in self.populations]
        self._moves = (self.vectors - self.vectors[0]) @ cohort.directions

    def read(self, eta: Floats, moved: Floats | None = None) -> Read:
        """What the likelihood reads at effects (N, P, D), with z moved (G, M) or (M,) besides."""
        cohort = self.density.cohort
        z = np.zeros((*eta.shape[:2], cohort.size))
        z[:, :, : cohort.effects] = eta
        by = self._moves if moved is None else self._moves + moved
        z += np.repeat(by, eta.shape[1] // len(by), axis=0)
        return self.density.read(z, self.populations[0].place)

    def log_values(self, read: Read) -> Floats:
        """log p(values | effects) (N, P) of what was read."""
        return self.by_errors(read, [p.errors for p in self.populations])

    def by_errors(self, read: Read, errors: list[tuple[ErrorSpec, ...]]) -> Floats:
        """The same with other errors, of each group."""
        if len(errors) == 1:
            return self.density.of(read, errors[0])
        points = read.points // len(errors)
        parts = [self.density.of(read.at(slice(g * points, (g + 1) * points)), one) for g, one in enumerate(errors)]
        return np.concatenate(parts, axis=1)

    def log_prior(self, eta: Floats) -> Floats:
        """log p(effects) (N, P) of effects (N, P, D)."""
        return self._by_group(self.away(eta), self._normal)

    def log_shares(self, points: int) -> Floats:
        """log p(class) (N, P) of as many points of the members of a mixture."""
        classes = self.density.cohort.classes
        log = np.log([population.shares for population in self.populations])
        each = np.tile(log.T, (len(self.density.cohort) // classes, 1))
        return np.repeat(each, points // len(log), axis=1)

    def away(self, eta: Floats) -> Floats:
        """Effects (N, P, D) of patients alone, without those of sites."""
        return eta if self.centres is None else eta - self._of_points(eta.shape[1])

    def _of_points(self, points: int) -> Floats:
        assert self.centres is not None, "sites differ"
        return np.repeat(self.centres, points // self.centres.shape[1], axis=1)

    def _normal(self, g: int, eta: Floats) -> Floats:
        _, precision, log_det = self.populations[g].prior(self.density.cohort.parts)
        square = np.einsum("nsd,nsd->ns", eta @ precision, eta)
        return np.asarray(-0.5 * (square + log_det + eta.shape[2] * LOG_2PI))

    def from_prior(self, standard: Floats) -> Floats:
        """Effects (N, P, D) of standard normal draws (N, P, D)."""
        found = self._by_group(standard, lambda g, one: one @ self.factors[g].T)
        return found if self.centres is None else found + self._of_points(found.shape[1])

    def _by_group(self, points: Floats, make: Callable[[int, Floats], Floats]) -> Floats:
        groups = len(self.populations)
        if groups == 1:
            return make(0, points)
        return np.concatenate([make(g, one) for g, one in enumerate(np.split(points, groups, axis=1))], axis=1)
