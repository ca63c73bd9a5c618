"""What correlated residuals add to the objective of first-order conditional estimation, with all derivatives it needs.

With z_i = (h(y_i) - h(f_i)) / s_i of values measured together, correlation C, M = C^-1 - 1, d = s'/s and m = h'(f), 1
but on a Box-Cox scale, they add

    (z' M z + log det C) / 2                                                               to U,
    (C^-1)_ij (m_i m_j / (s_i s_j) + C_ij d_i d_j) f_i' f_j'^T,  i != j      to the information about eta,
    M_ii (m_i^2 / s_i^2 + d_i^2) f_i' f_i'^T,

the latter being h'^T R^-1 h' + tr(R^-1 R' R^-1 R') / 2 of R = s C s, less what values alone have of it
(`twin.population.residuals`). Without interaction s is taken where eta = 0, and d is 0 in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats, Integers
from twin.kernel.compiling.by_hand import compiled
from twin.population.joint.instants import Group
from twin.population.residuals import Terms


class Spread(NamedTuple):
    """Residual variance R (T,) of values and its derivatives, at predictions or at those of the typical patient; and
    the two derivatives of h by the predictions."""

    r: Floats
    r1: Floats
    r2: Floats
    m1: Floats
    m2: Floats


class Pairs(NamedTuple):
    """Of Q pairs of values measured together, (Q,) each.

    Attributes:
        patient, a, b: whose they are, and which values.
        u, w: second derivative of U by both predictions, and their weight in the information.
        w_a, w_b: derivatives of the weight by either prediction.
        u_0a, u_0b, w_0a, w_0b: derivatives of dU/df_a by f0_b, of dU/df_b by f0_a, and of the weight by f0_a and f0_b;
            0 with interaction.
    """

    patient: Integers
    a: Integers
    b: Integers
    u: Floats
    w: Floats
    w_a: Floats
    w_b: Floats
    u_0a: Floats
    u_0b: Floats
    w_0a: Floats
    w_0b: Floats

    @classmethod
    def none(cls) -> Pairs:
        """No pair."""
        places, numbers = np.empty(0, dtype=np.int64), np.empty(0)
        return cls(places, places, places, *[numbers] * 8)


def joined(
    alone: Terms, groups: Sequence[Group], away: Floats, spread: Spread, *, interaction: bool
) -> tuple[Terms, Pairs]:
    """Terms of all values with what those that were measured together add, and their pairs.

    Args:
        away: (T,) h(y) - h(f).
    """
    found = Terms(*(np.array(each) for each in alone))
    pairs = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for group in groups:
            pairs += _joined(found, group, away, spread, interaction=interaction)
    if not pairs:
        return found, Pairs.none()
    return found, Pairs(*(np.ascontiguousarray(np.concatenate(each)) for each in zip(*pairs, strict=True)))


def _joined(found: Terms, group: Group, away: Floats, spread: Spread, *, interaction: bool) -> list[Pairs]:
    at, m = group.members, group.beside
    r, r1, r2, m1, m2 = (each[at] for each in spread)
    s, typical = np.sqrt(r), 0.5 * r1 / r
    d = typical if interaction else np.zeros_like(r)
    d1 = 0.5 * r2 / r - 2.0 * d * d if interaction else d
    z, g1, g2 = away[at] / s, m1 / s, m2 / s
    q = z @ m
    found.u[at[:, 0]] += group.adds(z)
    own = np.diag(m)
    z1 = -g1 - z * d
    z2 = g1 * d - g2 - z1 * d - z * d1
    found.u_f[at] += q * z1
    found.u_ff[at] += own * z1 * z1 + q * z2
    found.w[at] += own * (g1 * g1 + d * d)
    found.w_f[at] += own * 2.0 * (d * d1 + g1 * g2 - d * g1 * g1)
    if not interaction:
        found.u_0[at] -= q * z * typical
        found.u_f0[at] += (own * z + q) * typical * g1
        found.w_0[at] -= own * 2.0 * typical * g1 * g1
    inverse = m + np.eye(len(m))
    pairs, nothing = [], np.zeros(len(at))
    for i in range(len(m)):
        for j in range(i):
            base, both = inverse[i, j] * g1[:, i] * g1[:, j], inverse[i, j] * group.correlation[i, j]
            w = base + both * d[:, i] * d[:, j]
            slopes = (
                inverse[i, j] * g2[:, i] * g1[:, j] - d[:, i] * base + both * d1[:, i] * d[:, j],
                inverse[i, j] * g1[:, i] * g2[:, j] - d[:, j] * base + both * d[:, i] * d1[:, j],
            )
            by_typical = (nothing,) * 4
            if not interaction:
                by_typical = (
                    m[i, j] * z[:, j] * typical[:, j] * g1[:, i],
                    m[i, j] * z[:, i] * typical[:, i] * g1[:, j],
                    -typical[:, i] * base,
                    -typical[:, j] * base,
                )
            u = m[i, j] * z1[:, i] * z1[:, j]
            pairs.append(Pairs(group.patient, at[:, i], at[:, j], u, w, *slopes, *by_typical))
    return pairs


@compiled
def inner(patient, a, b, u, w, slope, information, curvature):  # type: ignore[no-untyped-def]
    """Add to H and U'' (K, D, D) what pairs of values have (`twin.population.stencil.inner`)."""
    d = information.shape[1]
    for n in range(len(a)):
        k = patient[n]
        for i in range(d):
            for j in range(d):
                both = slope[a[n], i] * slope[b[n], j] + slope[b[n], i] * slope[a[n], j]
                information[k, i, j] += w[n] * both
                curvature[k, i, j] += u[n] * both


@compiled
def outer(patient, a, b, u, w, w_a, w_b, inverse, slope, bend, u_ez, t_z):  # type: ignore[no-untyped-def]
    """Add to d2U/d eta dz (K, D, M) and d log det H/dz (K, M) (`twin.population.stencil.outer`)."""
    d, m = inverse.shape[1], slope.shape[1]
    of_a, of_b = np.empty(d), np.empty(d)
    for n in range(len(a)):
        k, one, other = patient[n], a[n], b[n]
        both = 0.0
        for i in range(d):
            of_a[i] = 0.0
            of_b[i] = 0.0
            for j in range(d):
                of_a[i] += inverse[k, i, j] * slope[one, j]
                of_b[i] += inverse[k, i, j] * slope[other, j]
            both += of_a[i] * slope[other, i]
        for c in range(m):
            t_z[k, c] += 2.0 * (w_a[n] * slope[one, c] + w_b[n] * slope[other, c]) * both
            for i in range(d):
                u_ez[k, i, c] += u[n] * (slope[one, i] * slope[other, c] + slope[other, i] * slope[one, c])
                t_z[k, c] += 2.0 * w[n] * (bend[one, i, c] * of_b[i] + bend[other, i, c] * of_a[i])


@compiled
def by_number(patient, a, b, dw, inverse, slope, t_x):  # type: ignore[no-untyped-def]
    """Add to d log det H/dx (K,) by a number that moves weights by ``dw`` (Q,)."""
    d = inverse.shape[1]
    for n in range(len(a)):
        k = patient[n]
        both = 0.0
        for i in range(d):
            for j in range(d):
                both += slope[a[n], i] * inverse[k, i, j] * slope[b[n], j]
        t_x[k] += 2.0 * dw[n] * both
