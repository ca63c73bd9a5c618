"""Support points of published data, or of simulated patients with two occasions each:

python -m tests.twin.population.nonparametric.figures [SET ... | occasions]
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.twin import toys
from tests.twin.population.importance.test_density import cohort_of
from tests.twin.population.published.sets import SETS
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.nonparametric.support import support


def between_occasions() -> Cohort:
    """Twenty patients, half of whom have twice the clearance of the others and next to nothing of their own, who differ
    between two doses with three levels each by a fifth."""
    text = toys.BOLUS.replace("iiv = 0.16\n", "iiv = 0.16\niov = 0.04\n")
    text += f'[occasions]\ndrug = "toxin"\ngap = 6\n{toys.SOURCE}\n'
    rng, lines = np.random.default_rng(1), ["ID,TIME,EVID,AMT,DV"]
    for patient in range(20):
        usual = 5.0 * np.exp(0.4 * rng.normal()) if patient % 2 else 10.0 * np.exp(0.1 * rng.normal())
        volume, amount = 20.0 * np.exp(0.3 * rng.normal()), 0.0
        for begin in (0, 12):
            rate = usual * np.exp(0.2 * rng.normal()) / volume
            lines.append(f"{patient + 1},{begin},1,100,.")
            for hours in (1, 4, 10):
                level = (amount + 100.0) / volume * np.exp(-rate * hours) * (1.0 + 0.2 * rng.normal())
                lines.append(f"{patient + 1},{begin + hours},0,.,{level}")
            amount = (amount + 100.0) * np.exp(-12.0 * rate)
    return cohort_of(parse_model(text, "occasions.toml"), tuple(lines))


def figures(name: str) -> str:
    """A line of the table."""
    cohort = between_occasions() if name == "occasions" else SETS[name].cohort()
    begun = time.process_time()
    found = support(cohort)
    took = time.process_time() - begun
    by_other = "" if found.by_other_draws is None else f" ({found.by_other_draws:.3f} by other draws)"
    return (
        f"{name:24} {len(found.weight)} points, {len(cohort.patients)} patients; -2 log L"
        f" {found.minus_2_log:.3f}{by_other}, may fall by {2 * found.gain:.2g}; {found.rounds} rounds, {found.why},"
        f" {took:.1f} s"
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or ("theophylline_additive", "phenobarbital_weight"):
        print(figures(name))
