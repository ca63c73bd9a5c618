"""Patients of a few clinics with levels below a limit, grades, counts or events, whose likelihood has a formula given
one effect psi of risk."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from scipy import optimize, special

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of
from tests.twin.population.sites.clinics import SITES, bolus, bolus_values
from twin.arrays import Floats
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort

IIV, ISV = 0.2, 0.3

CLINICS = (4, 9, 4, 0, 4, 9)

KINDS = ("plasma", "grade", "lesions", "relapse")

LIMIT, SD = 3.0, 0.3

ROWS = {
    "plasma": ((4.5, 1.0), (3.4, LIMIT), (LIMIT, 5.5), (LIMIT, LIMIT), (9.0, 5.0), (LIMIT, 2.9)),
    "grade": ((0, 1), (2, 2), (0, 0), (1, 0), (0, 1), (2, 1)),
    "lesions": ((3, 0), (5, 9), (1, 0), (2, 4), (0, 1), (4, 4)),
    "relapse": ((0, 1), (1, 0), (0, 0), (0, 1), (1, 0), (0, 1)),
}
"""Values of each patient after one hour and after three; of plasma `LIMIT` is all that is known, of an event what is
1 first is all that there is."""


@functools.cache
def outcomes() -> Model:
    """All of them, at u = 3 exp(psi) in steady proportion."""
    parts = {"risk": f"0.5 1/h {IIV}", "long": "6 h", "rich": "8 mg.h/L"}
    made = toys.made(parts, {"X": "mg: 1 -> -risk*X"}, {"plasma": "mg/L: rich*risk"})
    text = made.text.replace(f"iiv = {IIV}\n", f"iiv = {IIV}\nisv = {ISV}\n")
    text = text.replace("proportional = 0.2", f"proportional = {SD}")
    u = "long*risk"
    text += f"""
[outputs.grade]
kind = "ordinal"
categories = ["1/(1 + {u})", "1/(1 + {u}/4) - 1/(1 + {u})", "1 - 1/(1 + {u}/4)"]
[outputs.lesions]
kind = "count"
expression = "{u}"
error = {{ poisson = true, {toys.SOURCE} }}
[outputs.relapse]
kind = "event"
hazard = "risk"
"""
    return parse_model(text + SITES, "outcomes.toml")


def of_kind(kind: str) -> Cohort:
    """Patients of whom one kind of value is known."""
    lines = ["ID,TIME,EVID,AMT,DV,DVID,CENS,SITE"]
    for i, (own, site) in enumerate(zip(ROWS[kind], CLINICS, strict=True), start=1):
        lines.append(f"{i},0,1,1,.,.,0,{site}")
        for t, y in zip((1, 3), own, strict=True):
            lines.append(f"{i},{t},0,.,{y},{kind},{int(kind == 'plasma' and y == LIMIT)},{site}")
            if kind == "relapse" and y:
                break
    return cohort_of(outcomes(), lines)


def log_likelihood(kind: str, i: int) -> Callable[[Floats], Floats]:
    """Of the values of patient i, by psi; that of a level without log(2 pi) / 2."""

    def of(psi: Floats) -> Floats:
        risk, total = 0.5 * np.exp(psi), 0.0 * psi
        u = 6.0 * risk
        since = 0.0
        for t, y in zip((1.0, 3.0), ROWS[kind][i], strict=True):
            if kind == "plasma":
                f, sd = 8.0 * risk, SD * 8.0 * risk
                density = -0.5 * ((y - f) / sd) ** 2 - np.log(sd)
                total = total + (special.log_ndtr((LIMIT - f) / sd) if y == LIMIT else density)
            elif kind == "grade":
                below, to = 1 / (1 + u), 1 / (1 + u / 4)
                total = total + np.log((below, to - below, 1 - to)[int(y)])
            elif kind == "lesions":
                total = total + y * np.log(u) - u - special.gammaln(y + 1)
            else:
                total = total + (np.log(risk) if y else 0.0) - risk * (t - since)
                since = t
                if y:
                    break
        return total

    return of


def by_quadrature(kind: str, who: list[int]) -> float:
    """-2 log likelihood of a site."""
    b, eta = (np.sqrt(v) * np.linspace(-8.0, 8.0, 401) for v in (ISV, IIV))
    normal = np.exp(-0.5 * eta**2 / IIV) / np.sqrt(2 * np.pi * IIV) * (eta[1] - eta[0])
    log = -0.5 * b**2 / ISV - 0.5 * np.log(2 * np.pi * ISV)
    for i in who:
        log = log + np.log(np.exp(log_likelihood(kind, i)(b[:, None] + eta)) @ normal)
    return float(-2.0 * np.log(np.exp(log).sum() * (b[1] - b[0])))


def by_laplace(kind: str, who: list[int]) -> tuple[float, Floats]:
    """Laplace's approximation for a site as one subject with effects (b, eta_1, ...), each by itself, and psi."""
    count = 1 + len(who)
    prior = np.array([ISV, *[IIV] * len(who)])

    def u(x: Floats) -> float:
        own = [float(log_likelihood(kind, i)(x[0] + eta)) for i, eta in zip(who, x[1:], strict=True)]
        return float((x * x / prior).sum() / 2 - sum(own))

    ends = optimize.minimize(u, np.zeros(count), method="BFGS", options={"gtol": 1e-7})
    h, step = np.empty((count, count)), 3e-4 * np.eye(count)
    for i in range(count):
        for j in range(count):
            sides = [u(ends.x + a * step[i] + c * step[j]) * a * c for a in (1, -1) for c in (1, -1)]
            h[i, j] = sum(sides) / (4 * 3e-4**2)
    return float(2 * ends.fun + np.log(prior).sum() + np.linalg.slogdet(h)[1]), ends.x[0] + ends.x[1:]


def limited_bolus() -> Cohort:
    """Patients of `bolus`, of whose last levels only a limit is known."""
    values = bolus_values()
    lines = ["ID,TIME,EVID,AMT,DV,CENS,SITE"]
    for i, (own, site) in enumerate(zip(values.tolist(), (7, 2, 7, 0, 2, 7, 0, 2), strict=True), start=1):
        lines.append(f"{i},0,1,100,.,0,{site}")
        lines += [f"{i},{t},0,.,{max(y, 1.5)},{int(y < 1.5)},{site}" for t, y in zip((1, 3, 5), own, strict=True)]
    return cohort_of(bolus(), lines, "toxin_plasma")
