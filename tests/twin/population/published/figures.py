"""Fits from published starts, with their time: ``python -m tests.twin.population.published.figures [SET ...]``.

Of each set the objective by modes (FOCE-I, of other than normal values Laplace's) and what it took, and the maximum of
the likelihood by importance sampling, -2 log likelihood with its standard error at either, and what that took. Times
are processor seconds of this process, with everything compiled; standard errors of estimates are not in them.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.twin.population.published.sets import SETS
from twin.population.importance.climbing import climb, exact_likelihood, proposals_at
from twin.population.importance.density import Density
from twin.population.laplace.methods import usual_objective
from twin.population.search import State, search


def figures(name: str) -> str:
    """A line of the table."""
    cohort = SETS[name].cohort()
    theta, objective = cohort.theta, usual_objective(cohort)
    start = theta.pack(theta.start)
    objective(start)
    begun = time.process_time()
    state, here = search(objective, State(start), lambda *_: None)
    took = time.process_time() - begun
    density = Density(cohort)
    there = exact_likelihood(density, here.vector, proposals_at(cohort, here))
    begun = time.process_time()
    climbed = climb(density, start)
    took_exact = time.process_time() - begun
    found = exact_likelihood(density, climbed.vector, climbed.proposals)
    apart = np.abs(theta.natural(climbed.vector) / theta.natural(here.vector) - 1.0).max()
    return (
        f"{name:24} {here.total:11.4f} {state.why:9} {took:6.2f} s | {there.minus_2_log:10.2f} +- {there.error:.2f}"
        f" | {found.minus_2_log:10.2f} +- {found.error:.2f} {climbed.why:9} {len(climbed.rounds):2} rounds"
        f" {took_exact:6.2f} s, up to {100 * apart:.0f} % apart"
    )


if __name__ == "__main__":
    for one in sys.argv[1:] or SETS:
        print(figures(one) if SETS[one].here else f"{one}: the data are not here", flush=True)
