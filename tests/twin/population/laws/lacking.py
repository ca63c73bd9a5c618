"""Lines of patients some of whom lack a characteristic: normal, with a covariance that is known.

python -m tests.twin.population.laws.lacking 24

prints, over as many simulated sets of 90 patients, how fits by `focei` find what each lack widens.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import OMEGA, SD, TIMES, cohort_of, straight
from twin.arrays import Floats
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of
from twin.population.results.uncertainty import uncertainty
from twin.population.search import State, bounds, search
from twin.population.theta import Theta

TRUTH = {"widens.WT.base": 5.0, "widens.WT.slope": 0.4, "widens.AGE.slope": 0.3}
"""Variances that are added where WT or AGE was not reported."""

BEGUN = {"widens.WT.base": 2.0, "widens.WT.slope": 0.1, "widens.AGE.slope": 1.0}
"""Where fits begin."""

T = np.array(TIMES)

DESIGN = np.stack([np.ones_like(T), T], axis=1)


class Lines(NamedTuple):
    """Patients with their values (N, 5), and which lack WT or AGE (N, 2)."""

    cohort: Cohort
    values: Floats
    lacking: Floats


def drawn(seed: int, patients: int = 90, fixed: Sequence[str] = (), *, sites: bool = False) -> Lines:
    """A third lacks WT, a third AGE, a ninth both; neither tells anything else. Where there are ``sites``, of ten each,
    slopes differ by these too as far as the model knows.
    """
    rng, lines, values = np.random.default_rng(seed), ["ID,TIME,EVID,AMT,DV,WT,AGE,SITE"], []
    lacking = np.array([[i % 3 == 0, i // 3 % 3 == 0] for i in range(patients)], dtype=np.float64)
    for i, (wt, age) in enumerate(lacking, start=1):
        eta = rng.multivariate_normal([0.0, 0.0], OMEGA + wider(TRUTH, wt, age))
        values.append(DESIGN @ (np.array([10.0, 1.5]) + eta) + SD * rng.standard_normal(len(T)))
        told = f"{'.' if wt else 70},{'.' if age else 50},{1 + i // 10}"
        lines += [f"{i},{t},0,.,{y!r},{told}" for t, y in zip(TIMES, values[-1].tolist(), strict=True)]
    text = straight().text
    for name, unit, reference, of in (("WT", "kg", 70, ("base", "slope")), ("AGE", "a", 50, ("slope",))):
        widens = ", ".join(f"{one} = {TRUTH[f'widens.{name}.{one}']}" for one in of)
        text += f'[covariates.{name}]\nunit = "{unit}"\nreference = {reference}\n{toys.SOURCE}\n'
        text += f'missing = {{ widens = {{ {widens} }}, source = "made up" }}\n'
    text += f'[covariates.SITE]\nunit = "1"\nreference = 0\n{toys.SOURCE}\n'
    if sites:
        text = text.replace("iiv = 0.25\n", "iiv = 0.25\nisv = 0.1\n") + f'[sites]\ncovariate = "SITE"\n{toys.SOURCE}\n'
    return Lines(cohort_of(parse_model(text, "lines.toml"), lines, "line", fixed), np.array(values), lacking)


def wider(said: dict[str, float], wt: float, age: float) -> Floats:
    """(2, 2) what is added to Omega of who lacks these."""
    slope = wt * said["widens.WT.slope"] + age * said["widens.AGE.slope"]
    return np.diag([wt * said["widens.WT.base"], slope])


def minus_2_log(vector: Floats, of: Lines) -> Floats:
    """(N,) of each patient, without n log(2 pi), in closed form; nothing of the estimator is in it."""
    theta = of.cohort.theta
    said = dict(zip(theta.names, theta.natural(vector).tolist(), strict=True))
    pair = said["omega.base.slope"]
    omega = np.array([[said["omega.base"], pair], [pair, said["omega.slope"]]])
    found = []
    for y, (wt, age) in zip(of.values, of.lacking, strict=True):
        v = DESIGN @ (omega + wider(said, wt, age)) @ DESIGN.T + said["error.line.additive"] ** 2 * np.eye(len(T))
        away = y - said["base"] - said["slope"] * T
        found.append(away @ np.linalg.solve(v, away) + np.linalg.slogdet(v)[1])
    return np.array(found)


def begun(of: Lines) -> Floats:
    """The vector (K,) that a fit begins with: the truth, but for what is widened."""
    theta: Theta = of.cohort.theta
    return theta.pack(theta.population(BEGUN))


def main(sets: int) -> None:
    """Print a line for each variance."""
    begin, names, each = time.process_time(), list(TRUTH), []
    for seed in range(sets):
        of = drawn(seed)
        objective, theta = objective_of(of.cohort, "focei"), of.cohort.theta
        state, here = search(objective, State(begun(of)), lambda *_: None, bounds(theta))
        errors = uncertainty(objective, theta, here).errors("R")
        errors = np.full(theta.size, np.nan) if errors is None else errors
        at = [theta.names.index(name) for name in names]
        each.append((theta.natural(here.vector)[at], errors[at], state.why == "converged"))
    estimates, errors = (np.array([one[n] for one in each]) for n in (0, 1))
    spent = (time.process_time() - begin) / sets
    print(f"{sum(one[2] for one in each)} of {sets} converged, {spent:.2f} s of processor time each")
    for k, name in enumerate(names):
        low, high = (estimates[:, k] * np.exp(side * 1.96 * errors[:, k] / estimates[:, k]) for side in (-1, 1))
        held = (low < TRUTH[name]) & (TRUTH[name] < high)
        print(
            f"{name}: truth {TRUTH[name]}, mean {estimates[:, k].mean():.3f}, SD {estimates[:, k].std(ddof=1):.3f},"
            f" mean SE {np.nanmean(errors[:, k]):.3f}, intervals held it in {100 * held.mean():.0f} %"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
