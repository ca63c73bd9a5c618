"""How well numbers of errors that are no sizes, and the shape of an effect, are found from simulated patients:

python -m tests.twin.population.laws.recovered 20 power student outliers replicates transformed skewed

Of each law, by the method that suits it, mean and median of its estimates over the sets, their standard deviation, the
mean standard error (R), and how often 1.96 of these held the truth.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.twin.population.laws.simulated import begun, drawn, model
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of
from twin.population.objective import Method
from twin.population.results.uncertainty import uncertainty
from twin.population.search import State, bounds, search
from twin.population.theta import Theta

PATIENTS = 40


def found(cohort: Cohort, law: str) -> tuple[Floats, Floats, bool]:
    """Estimates (K,) with their standard errors, and whether the search converged."""
    method: Method = "focei" if law in ("power", "transformed", "skewed") else "laplace"
    objective, theta = objective_of(cohort, method), cohort.theta
    state, here = search(objective, State(begun(cohort, law)), lambda *_: None, bounds(theta))
    errors = uncertainty(objective, theta, here).errors("R")
    nothing = np.full(theta.size, np.nan)
    return theta.natural(here.vector), nothing if errors is None else errors, state.why == "converged"


def main(sets: int, laws: list[str]) -> None:
    """Print a line for each number of each law."""
    for law in laws:
        of, begin = model(law), time.process_time()
        theta = Theta.of(of)
        truth = theta.natural(theta.pack(theta.start))
        each = [found(drawn(of, seed, PATIENTS)[0], law) for seed in range(sets)]
        spent = (time.process_time() - begin) / sets
        estimates, errors = (np.array([one[n] for one in each]) for n in (0, 1))
        held = np.abs(estimates - truth) < 1.96 * errors
        converged = sum(one[2] for one in each)
        print(f"{law}: {sets} sets of {PATIENTS} patients, {converged} converged, {spent:.2f} s of processor time each")
        for k, name in enumerate(theta.names):
            print(
                f"  {name}: truth {truth[k]:.4g}, mean {estimates[:, k].mean():.4g}, median"
                f" {np.median(estimates[:, k]):.4g},"
                f" SD {estimates[:, k].std(ddof=1):.3g}, mean SE {np.nanmean(errors[:, k]):.3g},"
                f" held {100 * held[:, k].mean():.0f} %",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
