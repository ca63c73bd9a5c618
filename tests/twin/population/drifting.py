"""Models whose effects drift in which everything is linear and normal, what their values' law is, and such values."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
from scipy import optimize, stats

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of, straight
from twin.arrays import Floats
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.theta import Theta

Beside = Literal["nothing", "occasions", "sites", "classes"]
"""What a model has beside its drift; with sites and classes it has occasions too."""

HOURS = (0.0, 1.5, 3.5, 5.5, 7.5, 9.5)

CHANGE = 5.0
"""When the second occasion begins (h): between two steps of the drift."""

GRID = 2.0

GAINED = {"base": 0.5, "slope": 0.02}
"""Variance that each effect gains in an hour."""

_OCCASIONS = f'[occasions]\ncovariate = "OCC"\n{toys.SOURCE}\n\n[covariates.OCC]\nunit = "1"\nreference = 0\n'

_SITES = f'[sites]\ncovariate = "SITE"\n{toys.SOURCE}\n\n[covariates.SITE]\nunit = "1"\nreference = 0\n'

_CLASSES = (
    f'[mixture]\ncovariate = "SORT"\nshares = {{ slow = 0.4, fast = 0.6 }}\n{toys.SOURCE}\n\n[covariates.SORT]\n'
    f'unit = "1"\nreference = 1\nlevels = {{ slow = 1, fast = 2 }}\n{toys.SOURCE}\n\n[parameters.ratio]\n'
    'value = 3\nunit = "1"\n'
)


@functools.cache
def model(beside: Beside = "nothing") -> Model:
    """y = base + slope t with an additive error, whose base and slope drift at each second hour.

    With occasions both differ between these too, with sites slopes between sites, and with classes the slope of one is
    three times that of the other.
    """
    base, slope, more = "iiv = 4\ndrift = 0.5\n", "iiv = 0.25\ndrift = 0.02\n", list[str]()
    if beside != "nothing":
        base, slope, more = f"{base}iov = 1.2\n", f"{slope}iov = 0.1\n", [_OCCASIONS]
    if beside == "sites":
        slope, more = f"{slope}isv = 0.3\n", [*more, _SITES]
    if beside == "classes":
        slope, more = f'{slope}expression = "slope*where(SORT == 1, 1, ratio)"\n', [*more, _CLASSES]
    text = straight().text.replace("iiv = 4\n", base).replace("iiv = 0.25\n", slope)
    parts = [f"[drift]\ngrid = {GRID}\nlag = 20\n", *more]
    return parse_model(text + "".join(f"{part}{toys.SOURCE}\n\n" for part in parts), "drifting.toml")


def law(theta: Theta, vector: Floats, ratio: float = 1.0) -> tuple[Floats, Floats]:
    """Mean (6,) and covariance (6, 6) of a patient's values by the formula, but for what its site has."""
    population, t = theta.unpack(vector), np.array(HOURS)
    design = np.stack([np.ones_like(t), ratio * t], axis=1)
    steps = np.minimum(*np.meshgrid(*[np.floor(t / GRID)] * 2))
    covariance = design @ population.omega @ design.T + population.errors[0].additive ** 2 * np.eye(len(t))
    covariance += (design @ population.omega_drift @ design.T) * GRID * steps
    if len(population.omega_iov):
        covariance += (design @ population.omega_iov @ design.T) * np.equal.outer(t > CHANGE, t > CHANGE)
    return design @ population.place[:2], covariance


def site_of(number: int) -> int:
    """Of a patient: three of each."""
    return 1 + number // 3


@functools.cache
def cohort(beside: Beside = "nothing", patients: int = 6, fixed: tuple[str, ...] = ()) -> Cohort:
    """Patients with values that the model gives; all is free but what is ``fixed``."""
    rng, theta = np.random.default_rng(3), Theta.of(model(beside))
    vector = theta.pack(theta.start)
    slopes = np.sqrt(0.3) * rng.standard_normal(patients) if beside == "sites" else np.zeros(patients)
    lines = ["ID,TIME,EVID,AMT,DV,OCC,SITE"] if beside == "sites" else ["ID,TIME,EVID,AMT,DV,OCC"]
    for i in range(patients):
        fast = beside == "classes" and rng.random() < 0.6
        mean, covariance = law(theta, vector, 3.0 if fast else 1.0)
        site = site_of(i)
        values = rng.multivariate_normal(mean + slopes[site] * np.array(HOURS), covariance)
        told = [(t, f"0,.,{y:.5f}") for t, y in zip(HOURS, values.tolist(), strict=True)]
        for t, said in sorted([*told, (CHANGE, "2,.,.")]):
            lines.append(f"{i + 1},{t},{said},{int(t >= CHANGE)}" + (f",{site}" if beside == "sites" else ""))
    if beside == "nothing":
        lines = [line.rsplit(",", 1)[0] for line in lines if ",2,.,." not in line]
    return cohort_of(model(beside), lines, "line", fixed)


def minus_2_log(of: Cohort, vector: Floats, beside: Beside) -> Floats:
    """-2 log likelihood without n log(2 pi) of each patient, or of each site."""
    values = np.array([[o.value for o in subject.observations] for subject in of.patients])
    mean, covariance = law(of.theta, vector)
    if beside == "sites":
        (above,), t = of.theta.unpack(vector).omega_isv, np.array(HOURS)
        groups = [np.flatnonzero([site_of(i) == site for i in range(len(values))]) for site in range(1, 99)]
        found = []
        for who in (group for group in groups if len(group)):
            shared = np.kron(np.ones((len(who), len(who))), above * np.outer(t, t))
            whole = stats.multivariate_normal(np.tile(mean, len(who)), np.kron(np.eye(len(who)), covariance) + shared)
            found.append(-2.0 * whole.logpdf(values[who].ravel()) - values[who].size * np.log(2.0 * np.pi))
        return np.array(found)
    density = stats.multivariate_normal(mean, covariance).pdf(values)
    if beside == "classes":
        population = of.theta.unpack(vector)
        fast = stats.multivariate_normal(*law(of.theta, vector, float(population.place[2]))).pdf(values)
        density = population.shares @ [density, fast]
    return np.asarray(-2.0 * np.log(density) - len(HOURS) * np.log(2.0 * np.pi))


def best(of: Cohort, beside: Beside) -> tuple[Floats, Floats]:
    """The exact maximum (K,), and standard errors by the curvature there."""
    theta = of.theta

    def total(vector: Floats) -> float:
        return float(minus_2_log(of, vector, beside).sum())

    found = optimize.minimize(total, theta.pack(theta.start), method="BFGS", options={"gtol": 1e-4})
    h = 1e-3 * np.eye(theta.size)
    curvature = [
        [total(found.x + a + b) - total(found.x + a - b) - total(found.x - a + b) + total(found.x - a - b) for b in h]
        for a in h
    ]
    return found.x, np.sqrt(2.0 * np.diag(np.linalg.inv(np.array(curvature) / 4e-6)))
