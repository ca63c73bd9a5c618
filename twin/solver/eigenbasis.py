"""Eigenbases of linear blocks: A = V diag(lambda) V^-1 for each particle, or word that there is none.

Two states, the most frequent block that is not one state alone, are done in closed form; more by LAPACK.
"""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats
from twin.kernel.compiling.by_hand import compiled


class Bases:
    """Eigenbases of one cloud by their content: where only what enters changes, none is sought anew."""

    _KEPT = 4

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Floats, Floats, Floats, Floats]] = {}

    def of(self, a: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """As `eigenbasis`."""
        content = a.tobytes() + c.tobytes()
        found = self._known.pop(content, None)
        if found is None:
            found = *eigenbasis(a, c), c.copy()
        c[:] = found[3]
        self._known[content] = found
        if len(self._known) > self._KEPT:
            self._known.pop(next(iter(self._known)))
        return found[:3]


def eigenbasis(a: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
    """Eigenvalues (N, L), eigenvectors and their inverses (N, L, L) of a (N, L, L), c (N, L).

    A particle without a real eigenbasis gets c that are no numbers, and any basis.
    """
    count, size = c.shape
    if not size:
        return np.zeros((count, 0)), np.zeros((count, 0, 0)), np.zeros((count, 0, 0))
    if size == 1:
        lam, one = a[:, 0].copy(), np.ones((count, 1, 1))
        unknown = ~np.isfinite(lam)
        lam[unknown], c[unknown] = -1.0, np.nan
        return lam, one, one.copy()
    if size == 2:
        lam, v, w = np.empty((count, 2)), np.empty((count, 2, 2)), np.empty((count, 2, 2))
        _two_by_two(a, c, lam, v, w)
        return lam, v, w
    if count > 1 and (a == a[0]).all():
        # No random effect shapes the block: one particle stands for all.
        one = np.zeros((1, size))
        lam, v, w = (np.repeat(part, count, axis=0) for part in eigenbasis(a[:1], one))
        c += one
        return lam, v, w
    unusable = ~np.isfinite(a).all(axis=(1, 2))
    a[unusable] = -np.diag(np.arange(1.0, size + 1.0))
    lam, v = np.linalg.eig(a)
    if np.iscomplexobj(lam):
        turning = (np.abs(lam.imag) > 0).any(axis=1)
        unusable |= turning
        a[turning] = -np.diag(np.arange(1.0, size + 1.0))
        lam, v = (np.real(part) for part in np.linalg.eig(a))
    c[unusable] = np.nan
    singular = np.abs(np.linalg.det(v)) < 1e-14
    v[singular] = np.eye(size)
    c[singular] = np.nan
    return np.ascontiguousarray(lam), np.ascontiguousarray(v), np.ascontiguousarray(np.linalg.inv(v))


@compiled(error_model="numpy")
def _two_by_two(a, c, lam, v, w):  # type: ignore[no-untyped-def]
    """As `eigenbasis`, of two states [[a, b], [c, d]], in closed form.

    With h = (a - d) / 2, s^2 = h^2 + bc and q = h + s or h - s by the sign of h, which never cancel: the eigenvalues
    are a + bc/q and d - bc/q, of the vectors (q, c) and (b, -q).
    """
    for n in range(len(a)):
        h, upper, lower = 0.5 * (a[n, 0, 0] - a[n, 1, 1]), a[n, 0, 1], a[n, 1, 0]
        s = np.sqrt(h * h + upper * lower)
        q = h + s if h >= 0.0 else h - s
        determinant = -q * q - upper * lower
        lam[n, 0], lam[n, 1] = a[n, 0, 0], a[n, 1, 1]
        v[n, 0, 0], v[n, 0, 1], v[n, 1, 0], v[n, 1, 1] = 1.0, 0.0, 0.0, 1.0
        w[n] = v[n]
        if upper == 0.0 and lower == 0.0 and np.isfinite(s):
            continue
        if not abs(determinant) > 1e-14 * (abs(q) + abs(lower)) * (abs(q) + abs(upper)):
            c[n], lam[n] = np.nan, -1.0
            continue
        lam[n, 0] += upper * lower / q
        lam[n, 1] -= upper * lower / q
        v[n, 0, 0], v[n, 1, 0], v[n, 0, 1], v[n, 1, 1] = q, lower, upper, -q
        w[n, 0, 0], w[n, 0, 1] = -q / determinant, -upper / determinant
        w[n, 1, 0], w[n, 1, 1] = -lower / determinant, q / determinant
