"""Points around a row z at which a patient is solved, and what differences of the predictions there make.

    z,  z + h_i e_i,  z - h_i e_i                              first derivatives of a prediction, and pure second ones,
    z + h_i e_i + h_j e_j,  z - h_i e_i - h_j e_j  (j < i, j < D)        mixed ones, of effects with everything.

From them and the terms of the residuals (`twin.population.residuals`) follow the objective of a patient

    OFV = 2 U + log det Omega + log det H,    U = sum u + eta' P eta / 2,    H = P + sum W f' f'^T,

and its derivatives at the mode, where dU/d eta = 0 and the mode moves by d eta/dx = -U_ee^-1 U_ex (Almquist et al.
2015, J Pharmacokinet Pharmacodyn 42:191).
"""

from __future__ import annotations

import numpy as np

from twin.kernel.compiling.by_hand import compiled

H = 3e-4
"""Displacement on the scale of a parameter: a first difference errs by h^2 f''' / 6, a second by rounding 1e-15/h^2."""


@compiled
def points(z, h, effects, mixed):  # type: ignore[no-untyped-def]
    """(K, S, M) around rows z (K, M), displaced by h (M,); without the ``mixed`` ones 2 M + 1."""
    count, m = z.shape
    pairs = 0
    if mixed:
        for i in range(m):
            pairs += min(i, effects)
    found = np.empty((count, 2 * m + 1 + 2 * pairs, m))
    for k in range(count):
        for s in range(found.shape[1]):
            found[k, s] = z[k]
        for i in range(m):
            found[k, 1 + i, i] += h[i]
            found[k, 1 + m + i, i] -= h[i]
        at = 1 + 2 * m
        if mixed:
            for i in range(m):
                for j in range(min(i, effects)):
                    found[k, at, i] += h[i]
                    found[k, at, j] += h[j]
                    found[k, at + 1, i] -= h[i]
                    found[k, at + 1, j] -= h[j]
                    at += 2
    return found


@compiled
def slopes(f, h):  # type: ignore[no-untyped-def]
    """First derivatives (T, M) of predictions f (T, S)."""
    m = len(h)
    found = np.empty((len(f), m))
    for t in range(len(f)):
        for i in range(m):
            found[t, i] = (f[t, 1 + i] - f[t, 1 + m + i]) / (2.0 * h[i])
    return found


@compiled
def bends(f, h, effects):  # type: ignore[no-untyped-def]
    """Second derivatives (T, D, M) of predictions f (T, S) at all points, by an effect and by anything."""
    m = len(h)
    found = np.empty((len(f), effects, m))
    for t in range(len(f)):
        base = f[t, 0]
        for i in range(effects):
            found[t, i, i] = (f[t, 1 + i] + f[t, 1 + m + i] - 2.0 * base) / (h[i] * h[i])
        at = 1 + 2 * m
        for i in range(m):
            for j in range(min(i, effects)):
                both = f[t, at] + f[t, at + 1]
                alone = f[t, 1 + i] + f[t, 1 + m + i] + f[t, 1 + j] + f[t, 1 + m + j]
                found[t, j, i] = (both - alone + 2.0 * base) / (2.0 * h[i] * h[j])
                if i < effects:
                    found[t, i, j] = found[t, j, i]
                at += 2
    return found


@compiled
def inner(first, z, precision, u, u_f, u_ff, w, slope, bend):  # type: ignore[no-untyped-def]
    """U (K,), its gradient (K, D), H and U'' (K, D, D), by effects, of K patients with observations in ``first``.

    Without second derivatives of the predictions (none in ``bend``), U'' is what is left of it.
    """
    has_bend = len(bend) > 0
    count, d = len(first) - 1, len(precision)
    value, gradient = np.zeros(count), np.zeros((count, d))
    information, curvature = np.zeros((count, d, d)), np.zeros((count, d, d))
    for k in range(count):
        for i in range(d):
            along = 0.0
            for j in range(d):
                along += precision[i, j] * z[k, j]
                information[k, i, j] = precision[i, j]
                curvature[k, i, j] = precision[i, j]
            gradient[k, i] = along
            value[k] += 0.5 * z[k, i] * along
        for t in range(first[k], first[k + 1]):
            value[k] += u[t]
            for i in range(d):
                gradient[k, i] += u_f[t] * slope[t, i]
                for j in range(d):
                    square = slope[t, i] * slope[t, j]
                    information[k, i, j] += w[t] * square
                    curvature[k, i, j] += u_ff[t] * square
                    if has_bend:
                        curvature[k, i, j] += u_f[t] * bend[t, i, j]
    return value, gradient, information, curvature


@compiled
def outer(first, inverse, u_f, u_ff, w, w_f, slope, bend):  # type: ignore[no-untyped-def]
    """Of each of K patients, for all M columns of z and without the prior: dU/dz (K, M), d2U/d eta dz (K, D, M), and
    the derivative of log det H (K, M), for inverses of H (K, D, D)."""
    count, d, m = len(first) - 1, inverse.shape[1], slope.shape[1]
    u_z, u_ez, t_z = np.zeros((count, m)), np.zeros((count, d, m)), np.zeros((count, m))
    spread = np.empty(d)
    for k in range(count):
        for t in range(first[k], first[k + 1]):
            square = 0.0
            for i in range(d):
                spread[i] = 0.0
                for j in range(d):
                    spread[i] += inverse[k, i, j] * slope[t, j]
                square += spread[i] * slope[t, i]
            for c in range(m):
                u_z[k, c] += u_f[t] * slope[t, c]
                t_z[k, c] += w_f[t] * slope[t, c] * square
                for i in range(d):
                    u_ez[k, i, c] += u_ff[t] * slope[t, i] * slope[t, c] + u_f[t] * bend[t, i, c]
                    t_z[k, c] += 2.0 * w[t] * bend[t, i, c] * spread[i]
    return u_z, u_ez, t_z


@compiled
def by_number(first, inverse, du, du_f, dw, slope):  # type: ignore[no-untyped-def]
    """Of each of K patients the derivatives by a number that the predictions do not depend on: of U (K,), of its
    gradient (K, D), and of log det H (K,), from those of the terms of every value (T,)."""
    count, d = len(first) - 1, inverse.shape[1]
    u_x, u_ex, t_x = np.zeros(count), np.zeros((count, d)), np.zeros(count)
    for k in range(count):
        for t in range(first[k], first[k + 1]):
            u_x[k] += du[t]
            for i in range(d):
                u_ex[k, i] += du_f[t] * slope[t, i]
                for j in range(d):
                    t_x[k] += dw[t] * slope[t, i] * slope[t, j] * inverse[k, i, j]
    return u_x, u_ex, t_x
