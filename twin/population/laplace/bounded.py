"""U'' where it is no minimum, or nearly none: bounded, so that its determinant says something.

Laplace's method takes the curvature at a mode for that of the whole posterior, and where two modes merge there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats

PLAIN = 1e-6
"""Instead of `FLAT`: U'' is taken as it is, wherever it is that of a minimum."""

ALIKE = 1e-7
"""Eigenvalues, in units of the prior's, that are taken for the same."""


@dataclass(frozen=True)
class Bounded:
    """U'' (N, D, D) as it is taken: in no direction flatter than half of ``flat`` = c times the prior.

    With Omega = L L', for eigenvalues l of L' U'' L, which are precisions in units of the prior's, stand

        l   from c on,     (l^2 + c^2) / (2 c)   below,     c / 2   where there is no minimum,

    which have a slope everywhere. Without that the objective falls without end as two modes of a patient merge.

    Attributes:
        curvature: U''; where it is no number, neither is the rest. ``convex`` is U'' with what is no minimum made one.
        h: what stands for it.
        log_det: (N,) of ``h``, up to that of the prior's precision.
        slope: (N, D, D) derivative of ``log_det`` by U''; its inverse where nothing is flat.
        ways: (N, D, D) L V, of the eigenvectors V; ``steepness`` (N, D, D) of differences of what stands for two
            eigenvalues over those of themselves.
    """

    curvature: Floats
    convex: Floats
    h: Floats
    log_det: Floats
    slope: Floats
    ways: Floats
    steepness: Floats

    @classmethod
    def of(cls, curvature: Floats, factor: Floats, flat: float) -> Bounded:
        """Of curvatures (N, D, D) with the ``factor`` (D, D) L of the prior's covariance."""
        if not len(factor):
            return cls(curvature, curvature, curvature, np.zeros(len(curvature)), *[curvature] * 3)
        usable = np.asarray(np.isfinite(curvature).all(axis=(1, 2)))
        inner = factor.T @ np.where(usable[:, None, None], curvature, 0.0) @ factor
        found, vectors = np.linalg.eigh(0.5 * (inner + inner.swapaxes(1, 2)))
        low = np.clip(found, 0.0, flat)
        size = np.where(found >= flat, found, (low**2 + flat**2) / (2.0 * flat))
        slope = np.where(found >= flat, 1.0, low / flat)
        size[~usable] = np.nan
        back = np.linalg.inv(factor)

        def turned(values: Floats) -> Floats:
            return np.asarray((vectors * values[:, None]) @ vectors.swapaxes(1, 2))

        h, convex = (back.T @ turned(each) @ back for each in (size, np.where(found > PLAIN, found, size)))
        return cls(
            curvature, convex, h, np.log(size).sum(axis=1), factor @ turned(slope / size) @ factor.T, factor @ vectors,
            _steepness(found, size, slope),
        )  # fmt: skip

    def by_curvature(self, by_h: Floats) -> Floats:
        """Derivative (N, D, D) by U'' of what has this one by ``h``, both symmetric (Daleckii & Krein 1965)."""
        if (self.steepness == 1.0).all():
            return by_h
        back = np.linalg.inv(self.ways)
        inner = self.steepness * (back @ by_h @ back.swapaxes(1, 2))
        return np.asarray(self.ways @ inner @ self.ways.swapaxes(1, 2))


def _steepness(found: Floats, size: Floats, slope: Floats) -> Floats:
    """Of eigenvalues (N, D), what stands for them, and its slopes."""
    apart = found[:, :, None] - found[:, None, :]
    same = np.abs(apart) < ALIKE
    between = (size[:, :, None] - size[:, None, :]) / np.where(same, 1.0, apart)
    return np.where(same, 0.5 * (slope[:, :, None] + slope[:, None, :]), between)
