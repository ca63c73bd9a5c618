"""Newton descents of a posterior, the compiled part: K of them side by side, each at its own point eta_k.

A descent looks at the points

    eta,  eta + h e_i                          where that will do (`FORWARD`),
          eta - h e_i                          where derivatives have to be exact (`CENTRAL`),
          eta +- h (e_i + e_j)                 where the curvature is wanted as well (`WHOLE`),

which are particles of one solve. With L = -log p(data | eta) at each and coordinates u, weights w
(`twin.observation.information`),

    U'   = L' + P eta                        first differences of L,
    U''  = L'' + P                           second differences,
    F    = P + sum w u' u'^T                 expected information, always positive definite,

and steps by -(C + damping diag F)^-1 U'. The curvature C is F, which leads well from afar, and near the mode U''; where
d is too large for that, F after a BFGS update with the last step.
"""

from __future__ import annotations

import numpy as np

from twin.kernel.compiling.by_hand import compiled

FORWARD, CENTRAL, WHOLE = 0, 1, 2
"""What a descent looks at: d + 1, 2 d + 1 or d^2 + d + 1 points."""

H, H_FORWARD = 1e-3, 1e-5
"""Displacements: a central difference errs by h^2 L''' / 6, a second by h^2 L'''' / 12, rounding by 1e-15 L / h^2; a
difference forward errs by h L'' / 2, and rounding by 1e-15 L / h."""

WHOLE_UP_TO = 5
"""Most dimensions for which second differences are taken: their d^2 + d + 1 points still fit into a group of lanes."""

SETTLED = 1e-4
"""A descent has arrived when the step still to be made is this small, in posterior standard deviations."""

SETTLED_AT_LEAST = 1e-2
"""The same where steps no longer do what they promise: as near as differences with an error can tell."""

LEAST_DAMPING, LEAST_DAMPING_BENT = 0.25, 1e-4
"""Damping after a first step that led nowhere: F leads far astray, the whole curvature a little."""

STUCK = 1e8
"""Damping at which no step leads down any more."""

LONGEST_STEP = 3.0
"""Longest step, in prior standard deviations: curvature far from the mode misleads."""


FLATTEST = 0.1
"""Least absolute curvature, in units of the prior's: a flat way is not followed for ever."""

NEAR = 0.5
"""Below this many posterior standard deviations from the mode, by F, second differences are trusted in place of F."""


@compiled
def _dot(one, other):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(one)):
        total += one[i] * other[i]
    return total


@compiled
def _times(matrix, vector):  # type: ignore[no-untyped-def]
    result = np.empty(len(vector))
    for i in range(len(vector)):
        result[i] = _dot(matrix[i], vector)
    return result


@compiled
def points_around(eta, look):  # type: ignore[no-untyped-def]
    """Points (K S, d) that K descents at eta (K, d) look at."""
    count, d = eta.shape
    size = d + 1 if look == FORWARD else 2 * d + 1 if look == CENTRAL else d * d + d + 1
    h = H_FORWARD if look == FORWARD else H
    points = np.empty((count * size, d))
    for k in range(count):
        first = k * size
        for row in range(first, first + size):
            for i in range(d):
                points[row, i] = eta[k, i]
        for i in range(d):
            points[first + 1 + i, i] += h
            if look != FORWARD:
                points[first + 1 + d + i, i] -= h
        at = first + 2 * d + 1
        if look == WHOLE:
            for i in range(d):
                for j in range(i):
                    points[at, i] += H
                    points[at, j] += H
                    points[at + 1, i] -= H
                    points[at + 1, j] -= H
                    at += 2
    return points


@compiled
def derivatives(eta, precision, loss, coordinates, weights, look):  # type: ignore[no-untyped-def]
    """U (K,), U' (K, d), F and U'' (K, d, d) from responses (K S,), (Q, K S) to the points of `points_around`.

    F stands in for a U'' that was not looked at.
    """
    count, d = eta.shape
    size = len(loss) // max(count, 1)
    between = H_FORWARD if look == FORWARD else 2 * H
    value, gradient = np.empty(count), np.empty((count, d))
    information, curvature = np.empty((count, d, d)), np.empty((count, d, d))
    slope = np.empty((len(coordinates), d))
    for k in range(count):
        first = k * size
        bent = _times(precision, eta[k])
        value[k] = loss[first] + 0.5 * _dot(eta[k], bent)
        for i in range(d):
            up = first + 1 + i
            down = first if look == FORWARD else up + d
            gradient[k, i] = (loss[up] - loss[down]) / between + bent[i]
            for q in range(len(coordinates)):
                slope[q, i] = (coordinates[q, up] - coordinates[q, down]) / between
        for i in range(d):
            for j in range(i + 1):
                total = 0.0
                for q in range(len(coordinates)):
                    total += weights[q, first] * slope[q, i] * slope[q, j]
                information[k, i, j] = information[k, j, i] = precision[i, j] + total
                curvature[k, i, j] = curvature[k, j, i] = precision[i, j] + total
        if look == WHOLE:
            at = first + 2 * d + 1
            for i in range(d):
                curvature[k, i, i] = precision[i, i] + _bend(loss, first, i, d) / (H * H)
                for j in range(i):
                    both = loss[at] + loss[at + 1] - 2.0 * loss[first]
                    across = both - _bend(loss, first, i, d) - _bend(loss, first, j, d)
                    curvature[k, i, j] = curvature[k, j, i] = precision[i, j] + across / (2 * H * H)
                    at += 2
    return value, gradient, information, curvature


@compiled
def _bend(loss, first, i, d):  # type: ignore[no-untyped-def]
    return loss[first + 1 + i] + loss[first + 1 + d + i] - 2.0 * loss[first]


@compiled
def _solved(matrix, vector):  # type: ignore[no-untyped-def]
    """Whether a symmetric matrix is positive definite, and x of A x = b if so (Cholesky)."""
    d = len(vector)
    lower, x = np.zeros((d, d)), np.zeros(d)
    for i in range(d):
        for j in range(i + 1):
            rest = matrix[i, j]
            for m in range(j):
                rest -= lower[i, m] * lower[j, m]
            if i != j:
                lower[i, j] = rest / lower[j, j]
            elif rest > 1e-12 * abs(matrix[i, i]):
                lower[i, i] = np.sqrt(rest)
            else:
                return False, x
    for i in range(d):
        rest = vector[i]
        for m in range(i):
            rest -= lower[i, m] * x[m]
        x[i] = rest / lower[i, i]
    for i in range(d - 1, -1, -1):
        rest = x[i]
        for m in range(i + 1, d):
            rest -= lower[m, i] * x[m]
        x[i] = rest / lower[i, i]
    return True, x


@compiled
def _finite(vector):  # type: ignore[no-untyped-def]
    total = 0.0
    for each in vector:
        total += abs(each)
    return total < np.inf


@compiled
def _all_finite(matrix):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(matrix)):
        for j in range(len(matrix)):
            total += abs(matrix[i, j])
    return total < np.inf


@compiled
def _put(matrix, into):  # type: ignore[no-untyped-def]
    """Number by number, which compiles in a tenth of the time of ``into[:, :] = matrix``."""
    for i in range(len(matrix)):
        for j in range(len(matrix)):
            into[i, j] = matrix[i, j]


@compiled
def propose(  # type: ignore[no-untyped-def]
    eta, gradient, information, curvature, damping, precision, settled, tolerance, bent
):
    """Steps (K, d) of the descents and the decrease that each promises (K,).

    Marks in ``settled`` those whose step would be shorter than ``tolerance``, in posterior standard deviations. Puts F
    for a ``curvature`` that cannot be trusted or, on a ``bent`` way, its absolute value.
    """
    count, d = gradient.shape
    step, promised = np.zeros((count, d)), np.zeros(count)
    for k in range(count):
        if not _finite(gradient[k]):
            for i in range(d):
                step[k, i] = -0.5 * eta[k, i]  # Nothing is learnt where data are impossible: go towards the prior.
            continue
        usable, x = _solved(information[k], gradient[k])
        expected = _dot(gradient[k], x)
        convex, closer = _solved(curvature[k], gradient[k])
        if convex and expected < NEAR * NEAR:
            x = closer
        elif bent and _all_finite(curvature[k]):
            _put(absolute(curvature[k], precision), curvature[k])
            _, x = _solved(curvature[k], gradient[k])
        else:
            _put(information[k], curvature[k])
        decrement = _dot(gradient[k], x)
        nearly = damping[k] > 0.0 and max(decrement, expected) < SETTLED_AT_LEAST * SETTLED_AT_LEAST
        if decrement < tolerance * tolerance or nearly:
            settled[k] = usable
            continue
        if damping[k] > 0.0:
            damped = np.empty((d, d))
            _put(curvature[k], damped)
            for i in range(d):
                damped[i, i] += damping[k] * information[k, i, i]
            _, x = _solved(damped, gradient[k])
        length = np.sqrt(_dot(x, _times(precision, x)))
        for i in range(d):
            step[k, i] = -x[i] * min(1.0, LONGEST_STEP / max(length, 1e-300))
        promised[k] = -_dot(gradient[k], step[k]) - 0.5 * _dot(step[k], _times(curvature[k], step[k]))
    return step, promised


@compiled
def absolute(curvature, precision):  # type: ignore[no-untyped-def]
    """The curvature (d, d) with the absolute values of its eigenvalues, none below `FLATTEST`, in prior standard
    deviations: a step along it leaves a saddle and a ridge (Dauphin et al. 2014)."""
    root = np.linalg.cholesky(precision)
    inverse = np.linalg.inv(root)
    values, vectors = np.linalg.eigh(inverse @ curvature @ inverse.T)
    steep = root @ vectors
    return (steep * np.maximum(np.abs(values), FLATTEST)) @ steep.T


@compiled
def judge(before, after, promised, gradient, damping, bent):  # type: ignore[no-untyped-def]
    """Whether a step from U ``before`` to ``after`` is taken, and the damping then: eased after a promise kept.

    A step that ends right beside the impossible, where the new ``gradient`` (d,) is not finite, is too long; one from
    amidst it is taken.
    """
    if not before < np.inf:
        return True, damping
    gained, least = before - after, LEAST_DAMPING_BENT if bent else LEAST_DAMPING
    if not (gained > 0.0 and _finite(gradient)):
        return False, max(4.0 * damping, least)
    if gained > 0.25 * promised:
        return True, damping / 6.0 if damping > 0.2 * least else 0.0
    return True, max(2.0 * damping, 0.4 * least)


@compiled
def taught(information, step, change):  # type: ignore[no-untyped-def]
    """F (d, d) after a BFGS update with a step and the gradient's change along it; as it is where U is not convex."""
    bent = _times(information, step)
    expected, seen = _dot(step, bent), _dot(step, change)
    if not seen > 0.05 * expected:
        return information
    result = np.empty_like(information)
    for i in range(len(step)):
        for j in range(len(step)):
            result[i, j] = information[i, j] + change[i] * change[j] / seen - bent[i] * bent[j] / expected
    return result


@compiled
def separate(eta, value, information, distance):  # type: ignore[no-untyped-def]
    """Which descents stand further than ``distance`` from every lower one, in posterior standard deviations of that."""
    kept = np.ones(len(value), dtype=np.bool_)
    apart = np.empty(eta.shape[1])
    for at in range(len(value)):
        for other in range(len(value)):
            lower = value[other] < value[at] or (value[other] == value[at] and other < at)
            for i in range(len(apart)):
                apart[i] = eta[at, i] - eta[other, i]
            if lower and _dot(apart, _times(information[other], apart)) < distance * distance:
                kept[at] = False
    return kept
