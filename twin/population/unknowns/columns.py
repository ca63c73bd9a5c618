"""What a patient's unknowns are, column by column, and how they move its placed parameters.

The unknowns are a row z of the same columns for everybody,

    z = (eta, kappa of occasion 1, ..., kappa of occasion n, delta of step 1, ..., delta of step m, u, shifts),

with n the most occasions that anybody has, and m the most steps of a drift: what no datum has met stays at 0, and adds
nothing to a likelihood. Placed parameters (`twin.kernel.free`) in a stretch of time of occasion k, after j steps, are

    phi = place(theta) + T(eta + kappa_k + sqrt(grid) (delta_1 + ... + delta_j) + u_i) + shift,

T being identity, but for Box-Cox effects: a kappa holds for itself, a delta from its step on, and the variance of delta
is what the model file calls drift, gained per unit of time.
There are u where somebody lacks a characteristic that widens a prior: one for each pair of it and a parameter, with the
variance that it adds, and u_i is the sum of those that patient i lacks. A typical value moves phi as its own eta does,
and where there is none, or T is in the way, a *shift* stands in, as one does for the shape of T: so derivatives by what
is in `Population.place` are derivatives by z (`Columns.directions`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.model.spec import Model
from twin.population.subjects import Held, Subject
from twin.population.theta import Theta, effect_names
from twin.population.values import Level, Parts, shaped

_NOTHING: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)


class Columns:
    """Columns of z, of subjects that share a model.

    Attributes:
        theta: what is free, which decides the shifts there are.
        parts: which columns are of eta, of each kappa, of each delta and of u.
        effects: D, columns of all these.
        size: M, columns of z.
        directions: (K, M) what each element of theta does to z: 0 but for typical values.
    """

    def __init__(self, model: Model, theta: Theta, subjects: Sequence[Subject]) -> None:
        names = [p.name for p in model.parameters]
        self._lacking = {s.key: s.timeline.lacking for s in subjects}
        self.widened = any(one.any() for one in self._lacking.values())
        occasions, steps = max(len(s.occasions) for s in subjects), max(len(s.steps) for s in subjects)
        self.parts = parts_of(model, occasions, steps, lacking=self.widened)
        self._eta = np.array([names.index(name) for name in model.eta_names], dtype=np.int64)
        self._iov = np.array([names.index(name) for name in model.iov_names], dtype=np.int64)
        self._shapes = np.full(len(names), -1, dtype=np.int64)
        self._shapes[list(shaped(model))] = len(names) + np.arange(len(shaped(model)))
        self._root = 0.0 if model.drift is None else float(np.sqrt(model.drift.grid))
        wider = [names.index(name) for c in model.covariates for name, _ in c.widens] if self.widened else []
        self._wider, self.theta = np.array(wider, dtype=np.int64), theta
        self._kappas, self._deltas = len(self.parts["iov"]), len(self.parts["drift"])
        self._first_delta = len(self._eta) + self._kappas * len(self._iov)
        self.effects = self._first_delta + self._deltas * len(self._eta) + len(self._wider)
        self._shifted, self.directions = self._moved()
        self.size = self.effects + len(self._shifted)

    def lacking(self, subject: Subject) -> NDArray[np.bool_]:
        """(W,) which of the u are those of a patient; none where there are none."""
        return self._lacking[subject.key] if self.widened else _NOTHING

    def by_column(self, of_parameter: Floats) -> Floats:
        """Of numbers of each parameter (P,) that of the parameter which each column of z moves, (M,)."""
        repeated = [*[self._iov] * self._kappas, *[self._eta] * self._deltas]
        return np.asarray(of_parameter[np.concatenate([self._eta, *repeated, self._wider, self._shifted])])

    def phi(self, z: Floats, place: Floats, held: Held, subject: Subject | None = None) -> Floats:
        """Placed parameters (S, P) of rows z (S, M) where these effects hold, of a population's `Population.place`, of
        a patient of whom everything was reported or of a ``subject``."""
        found = np.empty((len(z), len(self._shapes)))
        lacking = _NOTHING if subject is None else self.lacking(subject)
        _place(
            z, place, held.occasion, held.steps, self._first_delta, self._root, self._eta, self._iov, self._wider,
            lacking, self._shapes, self._shifted, self.effects, found,
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
                directions[at, len(eta) + iov.index(i) : self._first_delta : len(iov)] = 1.0
        return np.array(shifted, dtype=np.int64), directions


def parts_of(model: Model, occasions: int, steps: int, *, lacking: bool = False) -> Parts:
    """Columns of eta, of so many kappas, of what so many steps of a drift add, and of what the lack of characteristics
    does if somebody is ``lacking`` any, one after another."""
    found: dict[Level, tuple[slice, ...]] = {}
    often: dict[Level, int] = {"omega": 1, "iov": occasions, "drift": steps, "widens": int(lacking)}
    begin = 0
    for level, count in often.items():
        width = len(effect_names(model, level))
        begins = range(begin, begin + count * width, width) if width else ()
        found[level] = tuple(slice(one, one + width) for one in begins)
        begin += count * width
    return found


@compiled
def _place(  # type: ignore[no-untyped-def]
    z, place, occasion, steps, first_delta, root, eta, iov, wider, lacking, shapes, shifted, effects, found
):
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
                found[n, iov[i]] += z[n, len(eta) + occasion * len(iov) + i]
        for k in range(steps):
            for i in range(len(eta)):
                found[n, eta[i]] += root * z[n, first_delta + k * len(eta) + i]
        for i in range(len(lacking)):
            if lacking[i]:
                found[n, wider[i]] += z[n, effects - len(wider) + i]
        for p in range(len(shapes)):
            shape = moved[shapes[p]] if shapes[p] >= 0 else 0.0
            if shape != 0.0:
                found[n, p] = np.expm1(shape * found[n, p]) / shape
            found[n, p] += moved[p]
