"""How well numbers and classes are found of patients in sites, of two classes that nobody sees:

python -m tests.twin.population.mixture.in_clinics 20 focei laplace imp
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.twin.population.diagnostics.cohorts import cohort_of
from tests.twin.population.mixture.clinics import eliminated_in_clinics, eliminated_table
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance.climbing import SampledObjective, climb
from twin.population.importance.density import Density
from twin.population.laplace.methods import objective_of
from twin.population.objective import Evaluation, Method
from twin.population.results.uncertainty import NORMAL_95, uncertainty
from twin.population.search import State, bounds, search

SITES, EACH = 15, 8


def fitted(cohort: Cohort, method: str) -> tuple[Evaluation, Floats, bool]:
    """Where a fit from the truth ends, standard errors (K,) by R, and whether it converged."""
    theta = cohort.theta
    begin = theta.pack(theta.start)
    if method == "imp":
        ends = climb(Density(cohort), begin)
        of_draws = SampledObjective(ends.sample)
        here, converged = of_draws(ends.vector), ends.why == "converged"
        errors = uncertainty(of_draws, theta, here).errors("R")
    else:
        name: Method = "laplace" if method == "laplace" else "focei"
        objective = objective_of(cohort, name)
        state, here = search(objective, State(begin), lambda *_: None, bounds(theta))
        converged = state.why == "converged"
        errors = uncertainty(objective, theta, here).errors("R")
    return here, np.full(theta.size, np.nan) if errors is None else errors, converged


def told(sets: int, method: str) -> None:
    """Print of each number its truth, the mean and SD of its estimates, the mean of its standard errors and how often
    1.96 of these hold the truth, and of classes how many are called right and how many were promised."""
    who = tuple(1 + i // EACH for i in range(SITES * EACH))
    estimates, errors, right, promised = [], [], [], []
    begun, ended, theta = time.process_time(), 0, None
    for seed in range(sets):
        truth: dict[str, str] = {}
        cohort = cohort_of(eliminated_in_clinics(), eliminated_table(who, 100 + seed, truth=truth))
        theta = cohort.theta
        here, error, converged = fitted(cohort, method)
        ended += converged
        if not converged:
            continue
        assert here.posterior is not None
        estimates.append(theta.natural(here.vector))
        errors.append(error)
        called = here.posterior.argmax(axis=1)
        slow = [truth[one.id] == "slow" for one in cohort.patients]
        right.append(np.mean((called == 0) == slow))
        promised.append(here.posterior.max(axis=1).mean())
    assert theta is not None
    print(f"{method}: {ended} of {sets} sets of {SITES} sites with {EACH} patients each converged,"
          f" {(time.process_time() - begun) / sets:.1f} s of processor time each")  # fmt: skip
    values, wide = np.array(estimates), np.array(errors)
    for at, (name, true) in enumerate(zip(theta.names, theta.natural_of(theta.start).tolist(), strict=True)):
        held = np.abs(values[:, at] - true) <= NORMAL_95 * wide[:, at]
        print(
            f"  {name}: {true:.3g}, mean {values[:, at].mean():.4g}, SD {values[:, at].std(ddof=1):.3g},"
            f" SE {np.nanmean(wide[:, at]):.3g}, held {100 * held.mean():.0f} %"
        )
    print(f"  classes called right {100 * np.mean(right):.1f} %, promised {100 * np.mean(promised):.1f} %", flush=True)


if __name__ == "__main__":
    for one in sys.argv[2:]:
        told(int(sys.argv[1]), one)
