"""The models of `streams.bench.models` as a person would write them; the generated kernels are held against these.

The schemes are those of `twin.kernel.loops.stepper`: the linear model by its two exponentials, the saturable one by
Butcher's Runge-Kutta scheme of order 5, on the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from twin.arrays import Floats
from twin.kernel.arguments import Steps, System
from twin.kernel.compiling.by_hand import compiled


def two_compartments(system: System) -> Callable[[Steps, Floats], object]:
    """Patients with the individual parameters of ``system`` (CL V1 Q V2), ready to be infused."""
    return lambda steps, out: _two_compartments(system.par, steps, out)


def saturable(system: System) -> Callable[[Steps, Floats], object]:
    """Patients with the individual parameters of ``system`` (VM KM V1), ready to be infused."""
    return lambda steps, out: _saturable(system.par, steps, out)


@compiled(error_model="numpy")
def _two_compartments(par, steps, out):  # type: ignore[no-untyped-def]
    dt, rates, row, mark = steps.dt, steps.inputs.rates, steps.inputs.row, steps.mark
    for n in range(par.shape[0]):
        cl, v1, q, v2 = par[n, 0], par[n, 1], par[n, 2], par[n, 3]
        k10, k12, k21 = cl / v1, q / v1, q / v2
        total = k10 + k12 + k21
        root = math.sqrt(total * total - 4.0 * k10 * k21)
        fast, slow = 0.5 * (total + root), 0.5 * (total - root)
        # Modes of the central compartment, each fed by its share of the infusion.
        share = (fast - k21) / (fast - slow)
        first = second = 0.0
        previous = -1.0
        e1 = e2 = f1 = f2 = 0.0
        for k in range(dt.shape[0]):
            h = dt[k]
            if h != previous:
                previous = h
                q1, q2 = math.expm1(-fast * h), math.expm1(-slow * h)
                e1, e2, f1, f2 = q1 + 1.0, q2 + 1.0, -q1 / fast, -q2 / slow
            u = rates[row[k], 0]
            first = e1 * first + f1 * share * u
            second = e2 * second + f2 * (1.0 - share) * u
            if mark[k] >= 0:
                out[mark[k], 0, n] = (first + second) / v1


@compiled(error_model="numpy")
def _saturable(par, steps, out):  # type: ignore[no-untyped-def]
    dt, rates, row, mark = steps.dt, steps.inputs.rates, steps.inputs.row, steps.mark
    for n in range(par.shape[0]):
        vm, km, v1 = par[n, 0], par[n, 1], par[n, 2]
        # vm c / (km + c) with c = a / v is vm a / (km v + a).
        half = km * v1
        a = 0.0
        for k in range(dt.shape[0]):
            h, u = dt[k], rates[row[k], 0]
            k1 = u - vm * a / (half + a)
            s = a + 0.25 * h * k1
            k2 = u - vm * s / (half + s)
            s = a + 0.125 * h * (k1 + k2)
            k3 = u - vm * s / (half + s)
            s = a + h * (k3 - 0.5 * k2)
            k4 = u - vm * s / (half + s)
            s = a + 0.0625 * h * (3.0 * k1 + 9.0 * k4)
            k5 = u - vm * s / (half + s)
            s = a + h / 7.0 * (-3.0 * k1 + 2.0 * k2 + 12.0 * k3 - 12.0 * k4 + 8.0 * k5)
            k6 = u - vm * s / (half + s)
            a += h / 90.0 * (7.0 * (k1 + k6) + 32.0 * (k3 + k5) + 12.0 * k4)
            if mark[k] >= 0:
                out[mark[k], 0, n] = a / v1
