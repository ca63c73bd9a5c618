"""Patients of a few clinics, whose likelihood is known another way."""

from __future__ import annotations

import functools

import numpy as np

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of
from twin.arrays import Floats, Integers
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort

SITES = f"""
[covariates.SITE]
unit = "1"
reference = 0
{toys.SOURCE}
[sites]
covariate = "SITE"
{toys.SOURCE}
"""

CLINICS = (7, 2, 7, 0, 2, 7, 0, 2)
"""Of each patient; two are alone."""

TIMES, SD = (0.0, 1.0, 3.0, 5.0), 0.5

OMEGA, ABOVE = np.array([[4.0, 0.3], [0.3, 0.25]]), 0.16


@functools.cache
def line() -> Model:
    """y = base + slope t with additive error, whose slope differs between sites: everything normal has a formula."""
    made = toys.made(
        {"base": "10 mg 4", "slope": "1.5 mg/h 0.25"}, {"X": "mg: base -> slope"}, {"line": "mg: base + slope*t"}
    )
    text = made.text.replace("iiv = 4\n", 'iiv = 4\ndistribution = "normal"\n')
    text = text.replace("iiv = 0.25\n", f'iiv = 0.25\nisv = {ABOVE}\ndistribution = "normal"\n')
    text = text.replace("proportional = 0.2", f"additive = {SD}")
    text += f'[[correlations]]\nbetween = ["base", "slope"]\ncovariance = 0.3\n{toys.SOURCE}\n'
    return parse_model(text + SITES, "line.toml")


@functools.cache
def bolus() -> Model:
    """One compartment and a proportional error; clearance and volume differ, and correlate, between sites."""
    text = toys.BOLUS.replace("iiv = 0.09\n", "iiv = 0.09\nisv = 0.04\n")
    text = text.replace("iiv = 0.16\n", "iiv = 0.16\nisv = 0.09\n")
    text += f'[[correlations]]\nbetween = ["CL", "V"]\nlevel = "isv"\ncovariance = 0.02\n{toys.SOURCE}\n'
    return parse_model(text + SITES, "bolus.toml")


@functools.cache
def apart() -> Model:
    """The same as if patients of one clinic were no more alike than others."""
    return parse_model(toys.BOLUS + SITES.split("[sites]")[0], "apart.toml")


def line_values(clinics: tuple[int, ...] = CLINICS, seed: int = 3) -> Floats:
    """Values (N, 4) of `line` at `TIMES`."""
    rng = np.random.default_rng(seed)
    of_site = {site: rng.normal(0.0, ABOVE**0.5) for site in sorted({*clinics} - {0})}
    eta = rng.multivariate_normal([0.0, 0.0], OMEGA, len(clinics))
    above = np.array([of_site.get(site, 0.0) for site in clinics])
    slope = 1.5 + eta[:, 1] + above
    return np.asarray(10.0 + eta[:, :1] + slope[:, None] * TIMES + rng.normal(0.0, SD, (len(clinics), len(TIMES))))


def of_line(values: Floats, clinics: tuple[int, ...] = CLINICS) -> Cohort:
    """Patients of `line`."""
    lines = ["ID,TIME,EVID,AMT,DV,SITE"]
    for i, (own, site) in enumerate(zip(values.tolist(), clinics, strict=True), start=1):
        lines += [f"{i},{t},0,.,{y},{site}" for t, y in zip(TIMES, own, strict=True)]
    return cohort_of(line(), lines, "line")


DOSE = 100.0


def bolus_values(clinics: tuple[int, ...] = CLINICS, seed: int = 5) -> Floats:
    """Levels (N, 4) of `bolus` at `TIMES` but the first."""
    rng = np.random.default_rng(seed)
    covariance = np.array([[0.09, 0.02], [0.02, 0.04]])
    of_site = {site: rng.multivariate_normal([0.0, 0.0], covariance) for site in sorted({*clinics} - {0})}
    eta = rng.normal(0.0, [0.4, 0.3], (len(clinics), 2))
    eta += np.array([of_site.get(site, np.zeros(2)) for site in clinics])
    cl, v = 5.0 * np.exp(eta[:, :1]), 20.0 * np.exp(eta[:, 1:])
    levels = DOSE / v * np.exp(-cl / v * TIMES[1:])
    return np.asarray(levels * (1.0 + 0.2 * rng.standard_normal(levels.shape)))


def bolus_table(values: Floats, clinics: tuple[int, ...] = CLINICS) -> list[str]:
    """Lines of a table: patients of `bolus`, 100 mg each."""
    lines = ["ID,TIME,EVID,AMT,DV,SITE"]
    for i, (own, site) in enumerate(zip(values.tolist(), clinics, strict=True), start=1):
        lines += [f"{i},0,1,{DOSE},.,{site}"]
        lines += [f"{i},{t},0,.,{y},{site}" for t, y in zip(TIMES[1:], own, strict=True)]
    return lines


def of_bolus(values: Floats, clinics: tuple[int, ...] = CLINICS) -> Cohort:
    """Patients of `bolus`."""
    return cohort_of(bolus(), bolus_table(values, clinics), "toxin_plasma")


def grouped(clinics: tuple[int, ...] = CLINICS) -> list[Integers]:
    """Which patients are of one site; who is alone is a site."""
    numbers = np.array(clinics)
    alone = [np.array([i]) for i in np.flatnonzero(numbers == 0)]
    return [np.flatnonzero(numbers == one) for one in np.unique(numbers) if one] + alone
