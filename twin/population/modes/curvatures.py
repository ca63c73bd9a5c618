"""Curvatures of many patients at once: inverses, factors and determinants, and what they come to beside a prior."""

from __future__ import annotations

import contextlib

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats


def inverse_of(matrices: Floats) -> Floats:
    """Inverses (N, D, D); of one that is not finite, or singular to rounding, NaN."""
    usable = np.isfinite(matrices).all(axis=(1, 2))
    found = np.full_like(matrices, np.nan)
    try:
        found[usable] = np.linalg.inv(matrices[usable])
    except np.linalg.LinAlgError:
        for n in np.flatnonzero(usable).tolist():
            with contextlib.suppress(np.linalg.LinAlgError):
                found[n] = np.linalg.inv(matrices[n])
    return found


def factors_of(covariance: Floats) -> Floats:
    """Lower factors (N, D, D) of covariances; NaN of one that is none."""
    found = np.full_like(covariance, np.nan)
    for n, one in enumerate(covariance):
        with contextlib.suppress(np.linalg.LinAlgError):
            found[n] = np.linalg.cholesky(one)
    return found


def solved_beside(covariance: Floats, beside: Floats, right: Floats, *, turned: bool = False) -> Floats:
    """x (N, D, K) of (1 + Omega B) x = b, of ``turned`` (1 + B Omega) x = b, for what data say beside a prior, B
    (N, D, D); NaN where there is none.

    With P = Omega^-1 that is (P + B)^-1 P b, and P (P + B)^-1 b. Neither needs P, so that it is exact also where Omega
    is next to singular.
    """
    matrices = np.eye(len(covariance)) + (beside @ covariance if turned else covariance @ beside)
    usable = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    usable[usable] = np.abs(np.linalg.det(matrices[usable])) > 0.0
    found = np.full(right.shape, np.nan)
    found[usable] = np.linalg.solve(matrices[usable], right[usable])
    return found


def log_det_of(matrices: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # of what is no number neither is this
        return np.asarray(np.linalg.slogdet(np.nan_to_num(matrices, nan=np.nan))[1])


def positive_definite(matrices: Floats) -> NDArray[np.bool_]:
    """Which of (N, D, D) are positive definite."""
    usable = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    found = np.asarray(np.linalg.eigvalsh(np.where(usable[:, None, None], matrices, 0.0)))
    size = np.abs(found).max(axis=1, keepdims=True, initial=0.0)
    return np.asarray(usable & np.all(found > 1e-12 * size, axis=1))
