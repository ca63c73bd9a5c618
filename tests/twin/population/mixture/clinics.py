"""Patients of a few clinics who are of two classes that nobody sees, and their likelihood by dense quadrature."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from tests.twin.population.diagnostics.cohorts import cohort_of
from tests.twin.population.mixture.mixtures import eliminated, levels
from tests.twin.population.sites.clinics import SITES
from twin.arrays import Floats
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort


class Law(NamedTuple):
    """Numbers of `levels_in_clinics`; ``centres`` are what classes add to 1."""

    isv: float = 0.5
    iiv: float = 0.8
    sd: float = 0.5
    centres: tuple[float, float] = (1.0, 4.0)
    shares: tuple[float, float] = (0.4, 0.6)


LAW = Law()

CLINICS = (7, 2, 7, 0, 2, 7, 0, 2)
"""Of each patient; two are alone."""


@functools.cache
def levels_in_clinics() -> Model:
    """`levels`, whose shift differs between sites: linear and normal given the class."""
    text = levels().text.replace("iiv = 0.8\n", f"iiv = {LAW.iiv}\nisv = {LAW.isv}\n")
    return parse_model(text + SITES, "made.toml")


@functools.cache
def eliminated_in_clinics() -> Model:
    """`eliminated`, whose clearance and volume differ, and correlate, between sites."""
    text = eliminated().text.replace("iiv = 0.06\n", "iiv = 0.06\nisv = 0.05\n")
    text = text.replace("iiv = 0.04\n", "iiv = 0.04\nisv = 0.03\n")
    text = text.replace("proportional = 0.2", "proportional = 0.1")
    text += '[[correlations]]\nbetween = ["CL", "V"]\nlevel = "isv"\ncovariance = 0.01\nsource = "made up for a test"\n'
    return parse_model(text + SITES, "made.toml")


def level_values(clinics: tuple[int, ...] = CLINICS, seed: int = 3) -> list[list[float]]:
    """Two or three levels of each patient."""
    rng = np.random.default_rng(seed)
    of_site = {site: rng.normal(0.0, LAW.isv**0.5) for site in sorted({*clinics} - {0})}
    found = []
    for n, site in enumerate(clinics):
        centre = LAW.centres[int(rng.random() > LAW.shares[0])] + 1.0
        level = centre + of_site.get(site, 0.0) + rng.normal(0.0, LAW.iiv**0.5)
        found.append((level + LAW.sd * rng.standard_normal(1 + n % 3)).tolist())
    return found


def of_levels(values: list[list[float]], clinics: tuple[int, ...] = CLINICS) -> Cohort:
    """Patients of `levels_in_clinics`."""
    lines = ["ID,TIME,EVID,AMT,DV,SITE"]
    for n, (own, site) in enumerate(zip(values, clinics, strict=True), start=1):
        lines += [f"{n},{t},0,.,{y},{site}" for t, y in enumerate(own)]
    return cohort_of(levels_in_clinics(), lines)


def eliminated_table(
    clinics: tuple[int, ...] = CLINICS, seed: int = 5, slow: float = 0.4, truth: dict[str, str] | None = None
) -> list[str]:
    """Lines of a table: patients of `eliminated_in_clinics`, 100 mg each and a tenth of error; ``truth`` is told who is
    of which class."""
    rng = np.random.default_rng(seed)
    covariance = eliminated_in_clinics().omega_isv
    of_site = {site: rng.multivariate_normal([0.0, 0.0], covariance) for site in sorted({*clinics} - {0})}
    lines = ["ID,TIME,EVID,AMT,DV,SITE"]
    for n, site in enumerate(clinics, start=1):
        eta = of_site.get(site, np.zeros(2)) + rng.normal(0.0, np.sqrt([0.06, 0.04]))
        of = "slow" if rng.random() < slow else "fast"
        if truth is not None:
            truth[str(n)] = of
        clearance = (2.0 if of == "slow" else 6.0) * np.exp(eta[0])
        volume = 20.0 * np.exp(eta[1])
        lines.append(f"{n},0,1,100,.,{site}")
        for hours in (0.5, 2, 5, 9):
            level = 100.0 / volume * np.exp(-clearance / volume * hours) * (1.0 + 0.1 * rng.standard_normal())
            lines.append(f"{n},{hours},0,.,{level:.5f},{site}")
    return lines


@functools.cache
def three_in_clinics() -> Model:
    """The same with three classes, and with volumes that differ between occasions."""
    text = eliminated_in_clinics().text.replace("iiv = 0.04\n", "iiv = 0.04\niov = 0.02\n")
    text = text.replace("{ slow = 1, fast = 2 }", "{ slow = 1, mid = 2, fast = 3 }")
    text = text.replace("{ slow = 0.4, fast = 0.6 }", "{ slow = 0.3, mid = 0.3, fast = 0.4 }")
    text = text.replace("where(SORT == 1, 1, ratio)", "where(SORT == 1, 1, where(SORT == 2, 0.5*ratio, ratio))")
    occasions = '[occasions]\ndrug = "toxin"\ngap = 6\nsource = "made up for a test"\n'
    return parse_model(text + occasions, "three.toml")


def of_three(limit: float = 1.0) -> Cohort:
    """Patients of `three_in_clinics` on two occasions; levels below a limit are known only by it."""
    header, *rows = eliminated_table()
    lines = [f"{header},CENS"]
    for patient, hours, evid, amount, y, site in (row.split(",") for row in rows):
        below = evid == "0" and float(y) < limit
        lines.append(f"{patient},{hours},{evid},{amount},{limit if below else y},{site},{int(below)}")
        if hours == "9":
            lines += [f"{patient},24,1,100,.,{site},0", f"{patient},26,0,.,{3.0 + 0.2 * int(patient)},{site},0"]
    return cohort_of(three_in_clinics(), lines)


def of_eliminated(clinics: tuple[int, ...] = CLINICS, seed: int = 5) -> Cohort:
    """Patients of `eliminated_in_clinics`."""
    return cohort_of(eliminated_in_clinics(), eliminated_table(clinics, seed))


def log_by_class(values: list[float], b: Floats, law: Law = LAW) -> Floats:
    """log p_k L_k (2, M) of a patient's levels at effects b (M,) of the site, without log(2 pi) / 2 of each."""
    count, terms = len(values), []
    normal = stats.multivariate_normal(np.zeros(count), law.iiv * np.ones((count, count)) + law.sd**2 * np.eye(count))
    for centre, share in zip(law.centres, law.shares, strict=True):
        away = np.array(values) - (centre + 1.0) - b[:, None]
        terms.append(np.log(share) + np.atleast_1d(normal.logpdf(away)))
    return np.array(terms) + 0.5 * count * np.log(2.0 * np.pi)


def log_of_site(every: list[list[float]], b: Floats, law: Law = LAW) -> Floats:
    """log of the product of patients' likelihoods and the density (M,) of b."""
    own = sum(special.logsumexp(log_by_class(values, b, law), axis=0) for values in every)
    return np.asarray(own - 0.5 * b**2 / law.isv - 0.5 * np.log(2.0 * np.pi * law.isv))


def by_quadrature(every: list[list[float]], law: Law = LAW, points: int = 4001) -> tuple[float, Floats]:
    """-2 log likelihood of a site, and how probable the classes of its patients are (n, 2)."""
    b = np.sqrt(law.isv) * np.linspace(-9.0, 9.0, points)
    log = log_of_site(every, b, law)
    weight = np.exp(log - special.logsumexp(log))
    posterior = [special.softmax(log_by_class(values, b, law), axis=0) @ weight for values in every]
    return float(-2.0 * (special.logsumexp(log) + np.log(b[1] - b[0]))), np.array(posterior)
