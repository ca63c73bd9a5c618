"""A ward whose population is known on paper: effects that are measured with normal errors, in two dimensions."""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

from twin.arrays import Floats
from twin.learning.messages.message import NO_CLASSES, NO_SIZES, Message
from twin.learning.messages.structure import Centres
from twin.learning.population import Anchor, Particles, Theta, particles_of
from twin.patient.accounts.initial_effects import Residuals

NAMES = ("CL", "V")
CENTRES = Centres(NAMES, np.log([5.0, 30.0]))
OMEGA = np.array([[0.09, 0.02], [0.02, 0.04]])
TRUE_SHIFT, TRUE_OMEGA = np.array([0.25, -0.15]), np.array([[0.12, 0.0], [0.0, 0.03]])


def anchor() -> Anchor:
    sd = np.sqrt(np.diag(OMEGA))
    return Anchor("known", "s", CENTRES, sd, OMEGA / np.outer(sd, sd), np.array([False, False]), ((0, 1),))


def ward(patients: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Means (n, d) of what was measured of phi - phi_0, and their error variances (n, d): some patients say little."""
    rng = np.random.default_rng(seed)
    phi = TRUE_SHIFT + rng.standard_normal((patients, 2)) @ np.linalg.cholesky(TRUE_OMEGA).T
    variance = np.exp(rng.uniform(np.log(0.01), np.log(0.3), (patients, 2)))
    return phi + np.sqrt(variance) * rng.standard_normal((patients, 2)), variance


def exact_ml(measured: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Mean (d,) and Omega (d, d) of maximum likelihood, by a general optimiser."""

    def split(x: Floats) -> tuple[Floats, Floats]:
        factor = np.array([[np.exp(x[2]), 0.0], [x[3], np.exp(x[4])]])
        return x[:2], factor @ factor.T

    def loss(x: Floats) -> float:
        mean, omega = split(x)
        a, b = (omega[i, i] + variance[:, i] for i in range(2))
        (p, q), c = (measured - mean).T, omega[0, 1]
        whole = a * b - c * c
        return float(0.5 * (np.log(whole) + (b * p * p - 2 * c * p * q + a * q * q) / whole).sum())

    begin = np.array([0.0, 0.0, np.log(0.3), 0.0, np.log(0.2)])
    return split(optimize.minimize(loss, begin, method="BFGS", options={"gtol": 1e-4}).x)


def message(
    patient: str, measured: Floats, variance: Floats, count: int, under: tuple[Floats, Floats], seed: int
) -> Message:
    """The message of a twin that ran ``under`` a version, (shift, omega): particles of the exact posterior."""
    shift, omega = under
    precision = np.linalg.inv(omega) + np.diag(1 / variance)
    covariance = np.linalg.inv(precision)
    mean = covariance @ (np.linalg.solve(omega, shift) + measured / variance)
    drawn = mean + np.random.default_rng([seed, 7]).standard_normal((count, 2)) @ np.linalg.cholesky(covariance).T
    evidence = stats.multivariate_normal.logpdf(measured, shift, omega + np.diag(variance))
    weight = {"WT": 50.0 + seed % 40}
    return Message(
        patient, "known", "h", "s", Centres(NAMES, CENTRES.at + shift), omega, np.zeros(2), drawn - shift,
        np.full(count, -np.log(count)), weight, weight, weight, float(evidence), 2,
        {}, NO_SIZES, Residuals.none(count), NO_CLASSES, np.zeros(count, np.int64),
    )  # fmt: skip


def particles(
    measured: Floats, variance: Floats, count: int = 1000, under: tuple[Floats, Floats] = (np.zeros(2), OMEGA)
) -> list[Particles]:
    """Everybody's particles."""
    each = enumerate(zip(measured, variance, strict=True))
    return [particles_of(message(f"P{i}", m, v, count, under, i), anchor()) for i, (m, v) in each]


def natural(theta: Theta) -> tuple[Floats, Floats]:
    """Shift of the mean (d,) and Omega (d, d)."""
    at, omega = anchor().natural(theta)
    return at - CENTRES.at, omega
