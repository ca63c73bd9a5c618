"""The particles' linear blocks in their eigenbases, from individual parameters under one set of covariates."""

from __future__ import annotations

import numpy as np

from twin.arrays import Floats
from twin.clock import UNIT_MS
from twin.kernel.arguments import System
from twin.kernel.delayed_input import TIMING, possible
from twin.kernel.kernel import Kernel
from twin.solver.eigenbasis import Bases, eigenbasis


def individual_parameters(kernel: Kernel, eta: Floats, covariates: Floats) -> Floats:
    """Individual parameters (N, P), columns `Kernel.parameters`, for effects (N, E) and covariates (C,).

    Effects are those of `Model.effect_names`; of eta (N, d) alone, those of occasions are 0.
    """
    return solved_parameters(kernel, eta, covariates)[:, : len(kernel.parameters)]


def solved_parameters(kernel: Kernel, eta: Floats, covariates: Floats) -> Floats:
    """The same with what only the kernel reads besides, (N, `Kernel.width`)."""
    missing = len(kernel.model.effect_names) - eta.shape[1]
    eta = np.hstack([eta, np.zeros((len(eta), missing))]) if missing > 0 else eta
    par = np.empty((len(eta), kernel.width))
    kernel.individual(np.ascontiguousarray(eta, dtype=np.float64), covariates, par)
    return par


def linear_system(kernel: Kernel, par: Floats, covariates: Floats, bases: Bases | None = None) -> System:
    """Eigenbases of the particles' linear blocks, of those ``bases`` that are known already.

    A particle whose block has no real eigenbasis (two rates equal to rounding, or not finite) gets outputs that are not
    numbers, which everything downstream reads as impossible.
    """
    count, size, inputs = len(par), len(kernel.linear), len(kernel.inputs)
    timing = np.zeros((count, len(kernel.late), TIMING))
    if kernel.late:
        kernel.timing(par, covariates, timing)
        # No drug enters before it is given.
        usable = possible(timing, kernel.late_kinds, UNIT_MS[kernel.model.time_unit])
        par = np.where(usable.all(axis=1, keepdims=True), par, np.nan)
    a, b, c = np.zeros((count, size, size)), np.zeros((count, size, inputs)), np.zeros((count, size))
    kernel.system(par, covariates, a, b, c)
    lam, v, w = eigenbasis(a, c) if bases is None else bases.of(a, c)
    # Plain loops over the few columns: a fixed order of summation keeps the bytes independent of N.
    bw = np.zeros((count, size, inputs))
    cw = np.zeros((count, size))
    for k in range(size):
        bw += w[:, :, k, None] * b[:, k, None, :]
        cw += w[:, :, k] * c[:, k, None]
    return System(par, lam, v, w, bw, cw, timing)
