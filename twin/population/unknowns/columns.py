"""What a patient's unknowns are, column by column, and how they move its placed parameters.

The unknowns are a row z of the same columns for everybody,

    z = (eta, kappa of occasion 1, ..., kappa of occasion n, u, shifts),

with n the most occasions that anybody has: a kappa that no datum has met stays at 0, and adds nothing to a likelihood;
or n the most steps of a drift, of which one is what an occasion is (`twin.population.drift.walks`). Placed
parameters (`twin.kernel.free`) in a stretch of time of occasion k are

    phi = place(theta) + T(eta + kappa_k + sqrt(w_i) u) + shift,

T being identity, but for Box-Cox effects, and of a drift kappa_k the sum of all until k, times the root of the grid.
Standard normal u are there for parameters whose prior somebody's unreported
characteristics widen: of patient i by variances w_i, so that eta and u together are N(0, Omega + w_i). A u that nothing
hangs on, with w_i = 0, stays at 0 as such a kappa does. A typical value moves phi as its own eta does, and where there
is none, or T is in the way, a *shift* stands in, as one does for the shape of T: so derivatives by what is in
`Population.place` are derivatives by z (`Columns.directions`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.model.spec import Model
from twin.population.drift.walks import root_of_grid
from twin.population.subjects import Subject
from twin.population.theta import Theta
from twin.population.values import shaped

_NOT_WIDER: Floats = np.empty(0)


class Columns:
    """Columns of z, of subjects that share a model.

    Attributes:
        theta: what is free, which decides the shifts there are; with the effects that widen somebody's prior.
        occasions: n.
        effects: D, columns of eta, of all kappas and of u.
        size: M, columns of z.
        directions: (K, M) what each element of theta does to z: 0 but for typical values.
    """

    def __init__(self, model: Model, theta: Theta, subjects: Sequence[Subject]) -> None:
        names = [p.name for p in model.parameters]
        self.occasions = max(len(s.occasions) for s in subjects)
        self._eta = np.array([names.index(name) for name in model.eta_names], dtype=np.int64)
        self._iov = np.array([names.index(name) for name in model.iov_names], dtype=np.int64)
        self._shapes = np.full(len(names), -1, dtype=np.int64)
        self._shapes[list(shaped(model))] = len(names) + np.arange(len(shaped(model)))
        self._root = root_of_grid(model)
        self._widened, self._widths = _widening(subjects, self._eta)
        self.theta = theta.widened(len(self._widened))
        self.effects = len(self._eta) + self.occasions * len(self._iov) + len(self._widened)
        self._shifted, self.directions = self._moved()
        self.size = self.effects + len(self._shifted)

    @property
    def widened(self) -> bool:
        """Whether characteristics that were not reported widen the prior of anybody."""
        return len(self._widened) > 0

    def by_column(self, of_parameter: Floats) -> Floats:
        """Of numbers of each parameter (P,) that of the parameter which each column of z moves, (M,)."""
        columns = [self._eta, *[self._iov] * self.occasions, self._widened, self._shifted]
        found = np.asarray(of_parameter[np.concatenate(columns)])
        if self.widened:
            found[self.effects - len(self._widened) : self.effects] /= np.max([*self._widths.values()], axis=0)
        return found

    def phi(self, z: Floats, place: Floats, occasion: int, subject: Subject | None = None) -> Floats:
        """Placed parameters (S, P) of rows z (S, M) in an occasion, of a population's `Population.place`, of a
        patient of whom everything was reported or of a ``subject``."""
        found = np.empty((len(z), len(self._shapes)))
        widths = _NOT_WIDER if subject is None or not self.widened else self._widths[subject.key]
        _place(
            z, place, occasion, self._root, self._eta, self._iov, self._widened, widths, self._shapes, self._shifted,
            self.effects, found,
        )  # fmt: skip
        return found

    def _moved(self) -> tuple[Integers, Floats]:
        """Parameters that get a shift, and `directions`."""
        eta, iov = self._eta.tolist(), self._iov.tolist()
        places = [(at, e.i) for at, e in enumerate(self.theta.elements) if e.kind == "place"]
        shifted = [i for _, i in places if i not in (*eta, *iov) or self._shapes[i] >= 0]
        directions = np.zeros((self.theta.size, self.effects + len(shifted)))
        for at, i in places:
            if i in shifted:
                directions[at, self.effects + shifted.index(i)] = 1.0
            elif i in eta:
                directions[at, eta.index(i)] = 1.0
            else:
                end = len(eta) + self.occasions * len(iov)
                directions[at, len(eta) + iov.index(i) : end : len(iov)] = 1.0
        return np.array(shifted, dtype=np.int64), directions


def _widening(subjects: Sequence[Subject], eta: Integers) -> tuple[Integers, dict[str, Floats]]:
    """Parameters whose prior is wider in somebody, and standard deviations (w,) of that by each patient's key."""
    every = np.array([subject.timeline.widening for subject in subjects]).reshape(len(subjects), len(eta))
    columns = np.flatnonzero(every.any(axis=0))
    widths = np.sqrt(every[:, columns])
    return eta[columns], {subject.key: own for subject, own in zip(subjects, widths, strict=True)}


@compiled
def _place(z, place, occasion, root, eta, iov, wider, width, shapes, shifted, effects, found):  # type: ignore[no-untyped-def]
    for n in range(len(z)):
        moved = place.copy()
        for i in range(len(shifted)):
            moved[shifted[i]] += z[n, effects + i]
        for p in range(len(shapes)):
            found[n, p] = 0.0
        for i in range(len(eta)):
            found[n, eta[i]] = z[n, i]
        if occasion >= 0:
            for i in range(len(iov)):
                kappa = z[n, len(eta) + occasion * len(iov) + i]
                if root > 0.0:
                    for k in range(occasion):
                        kappa += z[n, len(eta) + k * len(iov) + i]
                    kappa *= root
                found[n, iov[i]] += kappa
        for i in range(len(width)):
            found[n, wider[i]] += width[i] * z[n, effects - len(wider) + i]
        for p in range(len(shapes)):
            shape = moved[shapes[p]] if shapes[p] >= 0 else 0.0
            if shape != 0.0:
                found[n, p] = np.expm1(shape * found[n, p]) / shape
            found[n, p] += moved[p]
