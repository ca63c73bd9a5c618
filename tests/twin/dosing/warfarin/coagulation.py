"""Truth: vitamin K, the factors that need it, and the clotting of a sample (Wajima et al. 2009, Hartmann et al. 2016).

Without tissue factor nothing is activated, so that of the network only warfarin, the vitamin K cycle and the factors
that are made by it move in a patient; a sample is diluted 1:2 with 300 nM of tissue factor, and clots when the integral
of fibrin reaches 1500 nM s. INR is that time over 11.8 s. Read in ``models/wajima_inr_test_model.xml`` (which has the
patient's equations too), ``models/hartmann_coagulation_model_parameters.csv`` (all rates 1/h, concentrations nM) and
``results/S1_systems_pharmacology_model/model.py`` (the test).

Patients are columns: a state is (S, N).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats

HILL = 1.15
ABSORPTION = 2.0
CENTRAL_L = 24.0
VITAMIN_K_IN = 0.2052
"""nM/h into the blood, on an average day."""

FALL = {
    "II": 0.0099971313826735,
    "V": 0.0430711610486891,
    "VII": 0.12,
    "VIII": 0.0571428571428571,
    "IX": 0.0291294642857142,
    "X": 0.0180149168100975,
    "XI": 0.0947712418300653,
    "XIII": 0.003556187766714,
    "fibrinogen": 0.0320004471521994,
    "plasminogen": 0.051849788794504,
    "TFPI": 20.0,
}
"""Degradation, 1/h."""

FIBRINOGEN, PLASMINOGEN, TFPI, VIII = 286.26, 111.7, 50.0, 0.04
"""Production of what is alike in all patients, nM/h."""

XIII_BEGIN = 1687.2 / CENTRAL_L
SETTLING_H = 2400.0
"""Hours before the first day, in which patients come to rest."""

TEST_S, TEST_POINTS, CLOTTED, STANDARD_S = 120.0, 100, 1500.0, 11.8


class Patients(NamedTuple):
    """Who they are, each (N,): L, 1/h, mg/L, and productions in 1/h (nM/h of V, XI and XIII)."""

    volume: Floats
    vk_vkh2: Floats
    vko_vk: Floats
    elimination: Floats
    ec50: Floats
    II: Floats
    IX: Floats
    V: Floats
    VII: Floats
    X: Floats
    XI: Floats
    XIII: Floats


def at_rest(who: Patients) -> Floats:
    """State (10, N) on the first morning: mg in gut and blood, nM of vitamin K, its hydroquinone and epoxide, nmol of
    it in the periphery, and nM of factors II, VII, IX and X."""
    begin = [0.0, 0.0, 1.0, 0.1, 0.1, 115.47540983606557, 33465.6 / CENTRAL_L, 10.0, 89.6, 4183.2 / CENTRAL_L]
    state = np.repeat(np.array(begin)[:, None], len(who.volume), axis=1)
    return forward(state, who, SETTLING_H, 4800, np.ones(len(who.volume)))


def forward(state: Floats, who: Patients, hours: Floats | float, count: int, intake: Floats) -> Floats:
    """The state ``hours`` (N,) later, by Runge and Kutta's fourth-order rule in ``count`` steps.

    How many they are is no matter of who is solved beside somebody, so that everybody ends alike in any company.

    Args:
        intake: (N,) of vitamin K, of the average day's.
    """
    return _runge_kutta(lambda y: _patient(y, who, intake), state, np.asarray(hours) / count, count)


def inr(state: Floats, who: Patients) -> Floats:
    """INR (N,) of a sample."""
    sample = np.zeros((30, len(who.volume)))
    held = factor_xiii(who)
    levels = {
        0: state[6], 4: state[7], 8: state[8], 10: state[9], 29: state[3], 2: who.V / FALL["V"], 6: VIII / FALL["VIII"],
        12: who.XI / FALL["XI"], 14: held, 18: FIBRINOGEN / FALL["fibrinogen"], 20: PLASMINOGEN / FALL["plasminogen"],
        22: TFPI / FALL["TFPI"],
    }  # fmt: skip
    for row, level in levels.items():
        sample[row] = level / 3.0
    sample[21] = 300.0
    spacing = TEST_S / (TEST_POINTS - 1)
    steps = 24
    before, last, time = np.zeros(len(held)), np.zeros(len(held)), np.full(len(held), np.nan)
    for point in range(TEST_POINTS - 1):
        sample = _runge_kutta(lambda y: _sample(y, who) / 3600.0, sample, np.full(len(held), spacing / steps), steps)
        before, last = last, sample[17]
        now = np.isnan(time) & (last >= CLOTTED)
        time[now] = (point + (CLOTTED - before[now]) / (last[now] - before[now])) * spacing
        if not np.isnan(time).any():
            break
    late = np.isnan(time)
    time[late] = TEST_S + (CLOTTED - last[late]) * spacing / (last[late] - before[late])
    return time / STANDARD_S


def factor_xiii(who: Patients) -> Floats:
    """Factor XIII (N,), nM, which is not yet at rest after the settling."""
    rest = who.XIII / FALL["XIII"]
    return rest + (XIII_BEGIN - rest) * np.exp(-FALL["XIII"] * SETTLING_H)


def _runge_kutta(slope: Callable[[Floats], Floats], y: Floats, h: Floats, count: int) -> Floats:
    for _ in range(count):
        a = slope(y)
        b = slope(y + h / 2.0 * a)
        c = slope(y + h / 2.0 * b)
        y = y + h / 6.0 * (a + 2.0 * b + 2.0 * c + slope(y + h * c))
    return y


def _patient(y: Floats, who: Patients, intake: Floats) -> Floats:
    gut, warfarin, vk, vkh2, vko, periphery, ii, vii, ix, x = y
    free = 1.0 / (1.0 + (np.maximum(warfarin, 0.0) / who.volume / who.ec50) ** HILL)
    reduced, recycled = who.vk_vkh2 * vk * free, who.vko_vk * vko * free
    return np.array([
        -ABSORPTION * gut,
        ABSORPTION * gut - who.elimination * warfarin,
        VITAMIN_K_IN * intake - 0.2052 * vk - reduced + recycled - 0.0587 * vk + 0.0122 * periphery / CENTRAL_L,
        reduced - 0.228 * vkh2,
        0.228 * vkh2 - recycled,
        0.0587 * vk * CENTRAL_L - 0.0122 * periphery,
        who.II * vkh2 - FALL["II"] * ii,
        who.VII * vkh2 - FALL["VII"] * vii,
        who.IX * vkh2 - FALL["IX"] * ix,
        who.X * vkh2 - FALL["X"] * x,
    ])  # fmt: skip


def _by(most: float, half: float, what: Floats) -> Floats:
    return most * what / (half + what)


def _sample(y: Floats, who: Patients) -> Floats:
    """Slopes (30, N), 1/h: what is not named here takes no part in the test (protein C, contact, heparin)."""
    (ii, iia, v, va, vii, viia, viii, viiia, ix, ixa, x, xa, xi, xia, xiii, xiiia, fibrin, _, fibrinogen, plasmin,
     plasminogen, tf, tfpi, va_xa, vii_tf, viia_tf, quaternary, xa_tfpi, ixa_viiia, vkh2) = y  # fmt: skip
    to_iia = (_by(100.0, 10.0, va_xa) + _by(9.0, 500.0, xa)) * ii
    to_va, to_va_xa = _by(50000.0, 10.0, iia) * v, 2.0 * va * xa
    to_viia = (_by(0.1, 10.0, iia) + _by(0.2, 10.0, ixa) + _by(1.0, 10.0, xa) + _by(1.0, 10.0, viia_tf)) * vii
    to_vii_tf, to_viia_tf = 2.0 * vii * tf, 2.0 * viia * tf
    turned = (_by(70.0, 1.0, xa) + _by(1000.0, 1.0, tf)) * vii_tf
    to_quaternary = 2.0 * viia_tf * xa_tfpi
    to_viiia = _by(5000.0, 1e-4, iia) * viii
    to_ixa, to_ixa_viiia = (_by(7.0, 10.0, xia) + _by(70.0, 1.0, viia_tf)) * ix, 100.0 * ixa * viiia
    to_xa = (_by(1e-8, 10.0, viia) + _by(900.0, 200.0, viia_tf) + _by(0.02, 10.0, ixa) + _by(2.0, 0.2, ixa_viiia)) * x
    to_xa_tfpi, to_xia, to_xiiia = 2.0 * xa * tfpi, _by(10.0, 10.0, iia) * xi, _by(7.0, 1.0, iia) * xiii
    to_fibrin = _by(20000.0, 0.5, iia) * fibrinogen
    to_plasmin = (_by(7.0, 5000.0, iia) + _by(5.0, 10000.0, fibrin)) * plasminogen
    return np.array([
        who.II * vkh2 - FALL["II"] * ii - to_iia,
        to_iia - 67.4 * iia,
        -FALL["V"] * v - to_va,
        to_va - 20.0 * va - to_va_xa,
        who.VII * vkh2 - FALL["VII"] * vii - to_viia - to_vii_tf,
        to_viia - 20.0 * viia - to_viia_tf,
        -FALL["VIII"] * viii - to_viiia,
        to_viiia - 20.0 * viiia - to_ixa_viiia,
        who.IX * vkh2 - FALL["IX"] * ix - to_ixa,
        to_ixa - 20.0 * ixa - to_ixa_viiia,
        who.X * vkh2 - FALL["X"] * x - to_xa,
        to_xa - 20.0 * xa - to_va_xa - to_xa_tfpi,
        -FALL["XI"] * xi - to_xia,
        to_xia - 20.0 * xia,
        -FALL["XIII"] * xiii - to_xiiia,
        to_xiiia - 0.69 * xiiia,
        to_fibrin - (0.05 + _by(7.0, 10.0, xiiia) + _by(7.0, 10.0, plasmin)) * fibrin,
        3600.0 * fibrin,
        -FALL["fibrinogen"] * fibrinogen - to_fibrin - _by(500.0, 500.0, plasmin) * fibrinogen,
        to_plasmin - 20.0 * plasmin,
        -FALL["plasminogen"] * plasminogen - to_plasmin,
        -0.05 * tf - to_vii_tf - to_viia_tf,
        -FALL["TFPI"] * tfpi - to_xa_tfpi,
        to_va_xa - 20.0 * va_xa,
        to_vii_tf - 7.0 * vii_tf - turned,
        to_viia_tf + turned - 20.0 * viia_tf - to_quaternary,
        to_quaternary - 20.0 * quaternary,
        to_xa_tfpi - 20.0 * xa_tfpi - to_quaternary,
        to_ixa_viiia - 20.0 * ixa_viiia,
        -0.228 * vkh2,
    ])  # fmt: skip
