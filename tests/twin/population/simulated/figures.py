"""Where fits of simulated sets end, from the truth and from afar, by each method:

python -m tests.twin.population.simulated.figures METHOD,METHOD [--sets transit,grades] [--seeds 1,2] [--starts far]

A line a fit: how it ended, its objective, -2 log likelihood, processor seconds with everything compiled, and how many
standard errors (R) the numbers that have a truth lie from it, as root mean square and the farthest.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from streams.batch.population.fit import FitMethod, fit
from tests.twin.population.simulated.sets import LAPLACE, SETS
from twin.population.theta import FitError


def line(name: str, seed: int, start: str, method: FitMethod) -> str:
    """One fit."""
    made = SETS[name](seed)
    method = "laplace" if method == "focei" and name in LAPLACE else method
    head = f"{name} {seed}, {start}, {method}"
    cohort = made.cohort(start)
    begun = time.process_time()
    try:
        found = fit(cohort, method, lambda *_: None)
    except FitError as error:
        return f"{head}: {error}"
    took = time.process_time() - begun
    errors = found.certainty.errors("R")
    told = f"{head}: {found.state.why}, {found.evaluation.total:.4f}, {found.exact.minus_2_log:.2f}"
    told += f" +- {found.exact.error:.2f}, {took:.1f} s"
    if errors is not None:
        estimates = found.theta.natural(found.evaluation.vector)
        away = (estimates - np.array([made.true(one) for one in found.theta.names])) / errors
        away = away[np.isfinite(away)]
        told += f", {np.sqrt((away * away).mean()):.2f} and {np.abs(away).max():.1f} standard errors from the truth"
    return "\n    ".join([told, *found.problems])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("methods")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--starts", default="truth")
    asked = parser.parse_args()
    for set_ in asked.sets.split(","):
        for seed_ in asked.seeds.split(","):
            for start_ in asked.starts.split(","):
                for method_ in asked.methods.split(","):
                    print(line(set_, int(seed_), start_, method_), flush=True)
