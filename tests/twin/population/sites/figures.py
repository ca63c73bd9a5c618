"""How well numbers are found where sites differ, and what standard errors are worth that do not know of sites:

python -m tests.twin.population.sites.figures 30
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.twin.population.sites import clinics
from twin.kernel.kernel import compile_model
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of
from twin.population.results.uncertainty import NORMAL_95, uncertainty
from twin.population.search import State, bounds, search
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for

SITES, EACH = 15, 8


def fitted(cohort: Cohort) -> tuple[dict[str, float], dict[str, float], bool]:
    """Estimates and standard errors by R, by FOCE-I."""
    objective, theta = objective_of(cohort, "focei"), cohort.theta
    state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    errors = uncertainty(objective, theta, here).errors("R")
    nothing = np.full(theta.size, np.nan)
    numbers = zip(theta.natural(here.vector).tolist(), (nothing if errors is None else errors).tolist(), strict=True)
    pairs = dict(zip(theta.names, numbers, strict=True))
    return {n: v for n, (v, _) in pairs.items()}, {n: e for n, (_, e) in pairs.items()}, state.why == "converged"


def main(sets: int) -> None:
    """Print of each number its truth, the mean of its estimates, and how often 1.96 standard errors hold the truth."""
    who = tuple(1 + i // EACH for i in range(SITES * EACH))
    theta = Theta.of(clinics.bolus())
    truth = dict(zip(theta.names, theta.natural_of(theta.start).tolist(), strict=True))
    truths = {"with sites": truth, "without": {"CL": 5.0, "V": 20.0}}
    kept: dict[str, list[tuple[dict[str, float], dict[str, float]]]] = {"with sites": [], "without": []}
    begun = time.process_time()
    for seed in range(sets):
        cohort = clinics.of_bolus(clinics.bolus_values(who, seed=100 + seed), who)
        kernel = compile_model(clinics.apart())
        apart = Cohort(
            kernel, step_sizes_for(kernel), {s.id: s.timeline for s in cohort.subjects}, Theta.of(clinics.apart())
        )
        for name, one in (("with sites", cohort), ("without", apart)):
            numbers, errors, converged = fitted(one)
            if converged:
                kept[name].append((numbers, errors))
    for name, found in kept.items():
        print(f"{name}: {len(found)} of {sets} sets of {SITES} sites with {EACH} patients each converged")
        for number, true in truths[name].items():
            values, errors = (np.array([one[side][number] for one in found]) for side in (0, 1))
            held = np.abs(values - true) <= NORMAL_95 * errors
            print(
                f"  {number}: {true:g}, mean {values.mean():.4g}, SD {values.std(ddof=1):.3g},"
                f" SE {np.nanmean(errors):.3g}, held {100 * held.mean():.0f} %"
            )
    print(f"{(time.process_time() - begun) / sets:.2f} s of processor time for both fits of a set")


if __name__ == "__main__":
    main(int(sys.argv[1]))
