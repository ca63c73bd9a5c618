"""Draws of each patient's class, together with its effects, where nobody sees the class.

Of each class k points eta_ks are proposed from a density q_k, S of them; of the class that a patient is of where it is
stands in the place of one. Then one of all points is drawn,

    p(k, s) ~ p_k w_ks,      w_ks = p(y | eta_ks, k) p(eta_ks) / q_k(eta_ks),

which leaves the posterior of class and effects as it is, however few points there are and however poor the q_k
(iterated sampling importance resampling: Tjelmeland 2004; Andrieu, Lee & Vihola 2018, Bernoulli 24:842). Over its
points the mean of p_k w_ks says how probable class k is with effects integrated out, so that a patient changes class as
soon as another is as probable, and need not come there by small steps. What the shares p(k, s) of all points say is
better than what the one drawn says, and as unbiased (Rao-Blackwell).

The posterior is the same when two classes change names, where a model treats them alike. Names are kept: of draws in
which patients are, by other names, more of the classes that they were of to begin with (the *reference*), none is made.
So what is drawn is the posterior with that order among the classes, as if draws had been relabelled to agree with the
reference best (Papastamoulis & Iliopoulos 2010, J Comput Graph Stat 19:313). Nor is any in which nobody is of a class:
what is flat before would stay so, and be no law (Diebolt & Robert 1994, J R Stat Soc B 56:363).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.population.objective import Objective
from twin.population.results.classified import renamed


class Chosen(NamedTuple):
    """Of points (M, C, S) of all members and chains.

    Attributes:
        share: (M, C, S) how probable each point is among all of its patient, over C chains 1 together.
        last: (M, C) which point each member is at.
        moved: share of chains that left the point they had.
    """

    share: Floats
    last: Integers
    moved: float


class Classes:
    """Which class each patient is of, in each chain.

    Attributes:
        of: (N, C).
        stayed: how often a chain was not moved, so that names were kept and nobody's class was empty.
    """

    def __init__(self, classes: int, chains: int, begin: Integers, reference: Floats | None = None) -> None:
        """Of so many classes and chains that begin as (N,) says; names are kept to those of a ``reference`` (N, K)."""
        self.of = np.repeat(begin[:, None], chains, axis=1)
        self.stayed = 0
        self._classes, self._reference = classes, reference

    @property
    def here(self) -> NDArray[np.bool_]:
        """(M, C) whether a member is who the patient is."""
        here = np.arange(self._classes)[None, :, None] == self.of[:, None, :]
        return np.asarray(here.reshape(-1, self.of.shape[1]))

    def drawn(self, log_weight: Floats, chance: Floats) -> Chosen:
        """Draw one of the points of each patient.

        Args:
            log_weight: (M, C, S) log p_k w_ks; the first points of members who are who the patient is are where it is.
            chance: (N, C) even on 0 to 1.
        """
        members, chains, points = log_weight.shape
        each = np.ascontiguousarray(log_weight.reshape(-1, self._classes, chains, points))
        share, found, last = _drawn(each, self.of, chance)
        kept = np.array([self._may_be(one) for one in found.T])
        self.stayed += int((~kept).sum())
        found, last = np.where(kept, found, self.of), np.where(kept, last, 0)
        moved = float(((found != self.of) | (last > 0)).mean())
        self.of = found
        at = np.where(self.here, np.repeat(last, self._classes, axis=0), 0)
        return Chosen(share.reshape(members, chains, points), at, moved)

    def _may_be(self, of: Integers) -> bool:
        """Whether a chain may have patients in such classes (N,)."""
        if self._reference is None:
            return True
        each = np.eye(self._classes)[of]
        return bool(each.any(axis=0).all()) and not renamed(self._reference, each)


def begun(objective: Objective, vector: Floats, chains: int, *, named: bool = False) -> Classes | None:
    """Everybody in the class that is likeliest at a vector (K,), in so many chains; ``None`` of a cohort without.

    Args:
        named: whether names are kept to who is of which class there, and nobody's class is empty.
    """
    posterior = objective(vector).posterior if objective.cohort.classes > 1 else None
    if posterior is None:
        return None
    of = posterior.argmax(axis=1)
    for empty in np.setdiff1d(np.arange(posterior.shape[1]), of).tolist() if named else ():
        alone = np.bincount(of, minlength=posterior.shape[1])[of] == 1
        of[np.where(alone, -1.0, posterior[:, empty]).argmax()] = empty
    return Classes(posterior.shape[1], chains, of, posterior if named else None)


@compiled
def _drawn(log_weight, of, chance):  # type: ignore[no-untyped-def]
    """Of weights (N, K, C, S): shares of points (N, K, C, S), the class (N, C) and point (N, C) of each chain."""
    count, classes, chains, points = log_weight.shape
    share, found, last = np.zeros(log_weight.shape), of.copy(), np.zeros(of.shape, dtype=np.int64)
    for n in range(count):
        for c in range(chains):
            most = -np.inf
            for k in range(classes):
                for s in range(points):
                    if log_weight[n, k, c, s] > most:
                        most = log_weight[n, k, c, s]
            if most == -np.inf:
                share[n, of[n, c], c, 0] = 1.0 / chains
                continue
            total = 0.0
            for k in range(classes):
                for s in range(points):
                    if log_weight[n, k, c, s] > -np.inf:  # and not undefined
                        share[n, k, c, s] = np.exp(log_weight[n, k, c, s] - most)
                        total += share[n, k, c, s]
            left = chance[n, c] * total
            for k in range(classes):
                for s in range(points):
                    here = share[n, k, c, s]
                    if here > 0.0 and left >= 0.0:
                        found[n, c], last[n, c] = k, s
                        left -= here
                        if left < 0.0:
                            left = -1.0
                    share[n, k, c, s] = here / (total * chains)
    return share, found, last
