"""Docetaxel with neutropenia as a person would write it for this model alone; the generated kernel is held against it.

The numerical scheme is that of `twin.kernel.loops.stepper`, on the same steps: the compartments in their eigenbasis,
exact for a constant infusion; the proliferating cells as their logarithm; Butcher's Runge-Kutta scheme of order 5,
which meets the drug at quarters of a step. What a person sees in the equations is used: only the three compartments
need an eigenbasis, the pool of dexamethasone empties by one exponential, the area under the curve feeds back into
nothing, and docetaxel and dexamethasone enter at one place each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.kernel.arguments import Steps
from twin.kernel.compiling.by_hand import compiled


@dataclass(frozen=True)
class Patients:
    """N patients under constant covariates, and where they stand.

    Attributes:
        par: (N, 12) CL V1 Q2 V2 Q3 V3 MTT Slope gamma MIT IP0 ktr.
        anc0: baseline count, 10*9/L.
        rate: (N, 3) eigenvalues of the compartments, 1/h.
        amount: (N, 3) share of each mode in the amount A1.
        entry: (N, 3) what a unit of drug into A1 adds to each mode.
        mode: (N, 3), auc: (N,), pool: (N,) modes of the compartments, area under the curve, dexamethasone pool.
        cells: (N, 5) log Prol, Tr1, Tr2, Tr3, Circ.
    """

    par: Floats
    anc0: float
    rate: Floats
    amount: Floats
    entry: Floats
    mode: Floats
    auc: Floats
    pool: Floats
    cells: Floats


def at_baseline(par: Floats, anc0: float) -> Patients:
    """Untreated patients with individual parameters ``par`` (N, 12)."""
    count = len(par)
    clearance, v1, q2, v2, q3, v3 = par.T[:6]
    a = np.zeros((count, 3, 3))
    a[:, 0, 0], a[:, 0, 1], a[:, 0, 2] = -(clearance + q2 + q3) / v1, q2 / v2, q3 / v3
    a[:, 1, 0], a[:, 1, 1] = q2 / v1, -q2 / v2
    a[:, 2, 0], a[:, 2, 2] = q3 / v1, -q3 / v3
    rate, vectors = np.linalg.eig(a)
    amount, entry = vectors[:, 0, :], np.linalg.inv(vectors)[:, :, 0]
    cells = np.full((count, 5), anc0)
    cells[:, 0] = math.log(anc0)
    return Patients(
        par,
        anc0,
        np.ascontiguousarray(rate),
        np.ascontiguousarray(amount),
        np.ascontiguousarray(entry),
        np.zeros((count, 3)),
        np.zeros(count),
        np.zeros(count),
        cells,
    )


def advance(patients: Patients, steps: Steps, infusion: Floats, out: Floats) -> Patients:
    """Patients after ``steps`` of ``infusion`` (rows: docetaxel in mg/h).

    A kick of column 0 is docetaxel given at once, of column 1 one dose of dexamethasone. ``out`` (M, 2, N) is filled
    with concentration and count at the marks.
    """
    p = patients
    mode, auc, pool, cells = p.mode.copy(), p.auc.copy(), p.pool.copy(), p.cells.copy()
    _advance(
        p.par, p.anc0, p.rate, p.amount, p.entry, mode, auc, pool, cells, steps, infusion, out
    )  # fmt: skip
    return Patients(p.par, p.anc0, p.rate, p.amount, p.entry, mode, auc, pool, cells)


@compiled(error_model="numpy")
def _advance(par, anc0, rate, share, entry, mode, area, pools, cells, steps, infusion, out):  # type: ignore[no-untyped-def]
    """All that happens to a patient in one loop, however long: what a person would write who wants it fast."""
    dt, mark = steps.dt, steps.mark
    _, row, kick_from, kick_column, kick_amount = steps.inputs
    for n in range(par.shape[0]):
        v1, slope, gamma, mit, ip0, ktr = par[n, 1], par[n, 7], par[n, 8], par[n, 9], par[n, 10], par[n, 11]
        toxicity = slope / v1
        l1, l2, l3 = rate[n, 0], rate[n, 1], rate[n, 2]
        s1, s2, s3 = share[n, 0], share[n, 1], share[n, 2]
        b1, b2, b3 = entry[n, 0], entry[n, 1], entry[n, 2]
        x1, x2, x3 = mode[n, 0], mode[n, 1], mode[n, 2]
        auc, pool = area[n], pools[n]
        log_prol, tr1, tr2, tr3, circ = cells[n, 0], cells[n, 1], cells[n, 2], cells[n, 3], cells[n, 4]
        previous = -1.0
        e1 = e2 = e3 = leak = 1.0
        f1 = f2 = f3 = 0.0
        for k in range(dt.shape[0]):
            for j in range(kick_from[k], kick_from[k + 1]):
                if kick_column[j] == 0:
                    x1 += b1 * kick_amount[j]
                    x2 += b2 * kick_amount[j]
                    x3 += b3 * kick_amount[j]
                else:
                    pool += ip0 * kick_amount[j]
            h = dt[k]
            if h != previous:
                previous = h
                q1, q2, q3 = math.expm1(0.25 * l1 * h), math.expm1(0.25 * l2 * h), math.expm1(0.25 * l3 * h)
                e1, e2, e3 = q1 + 1.0, q2 + 1.0, q3 + 1.0
                f1, f2, f3 = q1 / l1, q2 / l2, q3 / l3
                leak = math.exp(-0.25 * h / mit)
            # Docetaxel and pool at the five quarters of the step.
            u = infusion[row[k]]
            c1, c2, c3 = b1 * u, b2 * u, b3 * u
            x1q, x2q, x3q = e1 * x1 + f1 * c1, e2 * x2 + f2 * c2, e3 * x3 + f3 * c3
            x1h, x2h, x3h = e1 * x1q + f1 * c1, e2 * x2q + f2 * c2, e3 * x3q + f3 * c3
            x1t, x2t, x3t = e1 * x1h + f1 * c1, e2 * x2h + f2 * c2, e3 * x3h + f3 * c3
            x1e, x2e, x3e = e1 * x1t + f1 * c1, e2 * x2t + f2 * c2, e3 * x3t + f3 * c3
            drug0 = s1 * x1 + s2 * x2 + s3 * x3
            drug1 = s1 * x1q + s2 * x2q + s3 * x3q
            drug2 = s1 * x1h + s2 * x2h + s3 * x3h
            drug3 = s1 * x1t + s2 * x2t + s3 * x3t
            drug4 = s1 * x1e + s2 * x2e + s3 * x3e
            pool1 = leak * pool
            pool2 = leak * pool1
            pool3 = leak * pool2
            pool4 = leak * pool3
            auc += (s1 * (x1e - x1 - c1 * h) / l1 + s2 * (x2e - x2 - c2 * h) / l2 + s3 * (x3e - x3 - c3 * h) / l3) / v1
            # Six stages of Butcher's scheme.
            g1 = ktr * (1.0 - toxicity * drug0) * (anc0 / circ) ** gamma - ktr
            a1 = ktr * (math.exp(log_prol) - tr1)
            d1 = ktr * (tr1 - tr2)
            m1 = ktr * (tr2 - tr3)
            r1 = ktr * (tr3 - circ) + pool / mit
            s_1, s_2, s_3, s_c = tr1 + h * 0.25 * a1, tr2 + h * 0.25 * d1, tr3 + h * 0.25 * m1, circ + h * 0.25 * r1
            g2 = ktr * (1.0 - toxicity * drug1) * (anc0 / s_c) ** gamma - ktr
            a2 = ktr * (math.exp(log_prol + h * 0.25 * g1) - s_1)
            d2 = ktr * (s_1 - s_2)
            m2 = ktr * (s_2 - s_3)
            r2 = ktr * (s_3 - s_c) + pool1 / mit
            w = 0.125 * h
            s_1, s_2, s_3, s_c = tr1 + w * (a1 + a2), tr2 + w * (d1 + d2), tr3 + w * (m1 + m2), circ + w * (r1 + r2)
            g3 = ktr * (1.0 - toxicity * drug1) * (anc0 / s_c) ** gamma - ktr
            a3 = ktr * (math.exp(log_prol + w * (g1 + g2)) - s_1)
            d3 = ktr * (s_1 - s_2)
            m3 = ktr * (s_2 - s_3)
            r3 = ktr * (s_3 - s_c) + pool1 / mit
            s_1, s_2 = tr1 + h * (a3 - 0.5 * a2), tr2 + h * (d3 - 0.5 * d2)
            s_3, s_c = tr3 + h * (m3 - 0.5 * m2), circ + h * (r3 - 0.5 * r2)
            g4 = ktr * (1.0 - toxicity * drug2) * (anc0 / s_c) ** gamma - ktr
            a4 = ktr * (math.exp(log_prol + h * (g3 - 0.5 * g2)) - s_1)
            d4 = ktr * (s_1 - s_2)
            m4 = ktr * (s_2 - s_3)
            r4 = ktr * (s_3 - s_c) + pool2 / mit
            w = 0.0625 * h
            s_1, s_2 = tr1 + w * (3.0 * a1 + 9.0 * a4), tr2 + w * (3.0 * d1 + 9.0 * d4)
            s_3, s_c = tr3 + w * (3.0 * m1 + 9.0 * m4), circ + w * (3.0 * r1 + 9.0 * r4)
            g5 = ktr * (1.0 - toxicity * drug3) * (anc0 / s_c) ** gamma - ktr
            a5 = ktr * (math.exp(log_prol + w * (3.0 * g1 + 9.0 * g4)) - s_1)
            d5 = ktr * (s_1 - s_2)
            m5 = ktr * (s_2 - s_3)
            r5 = ktr * (s_3 - s_c) + pool3 / mit
            w = h / 7.0
            s_1 = tr1 + w * (-3.0 * a1 + 2.0 * a2 + 12.0 * a3 - 12.0 * a4 + 8.0 * a5)
            s_2 = tr2 + w * (-3.0 * d1 + 2.0 * d2 + 12.0 * d3 - 12.0 * d4 + 8.0 * d5)
            s_3 = tr3 + w * (-3.0 * m1 + 2.0 * m2 + 12.0 * m3 - 12.0 * m4 + 8.0 * m5)
            s_c = circ + w * (-3.0 * r1 + 2.0 * r2 + 12.0 * r3 - 12.0 * r4 + 8.0 * r5)
            g6 = ktr * (1.0 - toxicity * drug4) * (anc0 / s_c) ** gamma - ktr
            a6 = ktr * (math.exp(log_prol + w * (-3.0 * g1 + 2.0 * g2 + 12.0 * g3 - 12.0 * g4 + 8.0 * g5)) - s_1)
            d6 = ktr * (s_1 - s_2)
            m6 = ktr * (s_2 - s_3)
            r6 = ktr * (s_3 - s_c) + pool4 / mit
            w = h / 90.0
            log_prol += w * (7.0 * (g1 + g6) + 32.0 * (g3 + g5) + 12.0 * g4)
            tr1 += w * (7.0 * (a1 + a6) + 32.0 * (a3 + a5) + 12.0 * a4)
            tr2 += w * (7.0 * (d1 + d6) + 32.0 * (d3 + d5) + 12.0 * d4)
            tr3 += w * (7.0 * (m1 + m6) + 32.0 * (m3 + m5) + 12.0 * m4)
            circ += w * (7.0 * (r1 + r6) + 32.0 * (r3 + r5) + 12.0 * r4)
            x1, x2, x3, pool = x1e, x2e, x3e, pool4
            if mark[k] >= 0:
                out[mark[k], 0, n] = drug4 / v1
                out[mark[k], 1, n] = circ
        mode[n, 0], mode[n, 1], mode[n, 2] = x1, x2, x3
        area[n], pools[n] = auc, pool
        cells[n, 0], cells[n, 1], cells[n, 2], cells[n, 3], cells[n, 4] = log_prol, tr1, tr2, tr3, circ
