"""Support points of published data: ``python -m tests.twin.population.nonparametric.figures [SET ...]``."""

from __future__ import annotations

import sys
import time

from tests.twin.population.published.sets import SETS
from twin.population.nonparametric.support import support


def figures(name: str) -> str:
    """A line of the table."""
    cohort = SETS[name].cohort()
    begun = time.process_time()
    found = support(cohort)
    took = time.process_time() - begun
    return (
        f"{name:24} {len(found.weight)} points, {len(cohort.patients)} patients; -2 log L {found.minus_2_log:.3f}, may"
        f" fall by {2 * found.gain:.2g}; {found.rounds} rounds, {found.why}, {took:.1f} s"
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or ("theophylline_additive", "phenobarbital_weight"):
        print(figures(name))
