"""How well the numbers of simulated clinics are found from levels below a limit, grades, counts and events:

python -m tests.twin.population.sites.recovered 20 laplace imp
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.twin.population.diagnostics.cohorts import cohort_of
from tests.twin.population.sites.outcomes import IIV, ISV, KINDS, LIMIT, SD, outcomes
from twin.arrays import Floats
from twin.population.cohort import Cohort
from twin.population.importance.climbing import climb
from twin.population.importance.density import Density
from twin.population.laplace.methods import objective_of
from twin.population.objective import Method
from twin.population.sampling.saem import settle
from twin.population.search import State, bounds, search
from twin.population.theta import Theta

SITES, EACH, TIMES = 25, 8, (0.5, 1.0, 1.5, 2.0, 3.0)

TOLD = ("risk", "omega.risk", "isv.risk")


def drawn(kind: str, seed: int) -> Cohort:
    """Patients of one kind of value, of whom only what `TOLD` names is free."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    lines = ["ID,TIME,EVID,AMT,DV,DVID,CENS,SITE"]
    for site in range(1, SITES + 1):
        b = rng.normal(0.0, ISV**0.5)
        for _ in range(EACH):
            i, risk = len({line.split(",")[0] for line in lines}), 0.5 * np.exp(b + rng.normal(0.0, IIV**0.5))
            lines.append(f"{i},0,1,1,.,.,0,{site}")
            lines += [f"{i},{t},0,.,{y},{kind},{limit},{site}" for t, y, limit in values(kind, risk, rng)]
    found = cohort_of(outcomes(), lines)
    fixed = [one for one in found.theta.names if one not in (*TOLD, "error.plasma.proportional" * (kind == "plasma"))]
    timelines = {one.id: one.timeline for one in found.subjects}
    return Cohort(found.kernel, found.step_sizes, timelines, Theta.of(outcomes(), fixed))


def values(kind: str, risk: float, rng: np.random.Generator) -> list[tuple[float, float, int]]:
    """Times, values, and whether one is known only to lie below `LIMIT`, of one patient."""
    u = 6.0 * risk
    if kind == "relapse":
        at = round(rng.exponential(1.0 / risk), 4)
        return [(t, 0, 0) for t in TIMES if t < at] + [(at, 1, 0)] * (at <= TIMES[-1])
    if kind == "plasma":
        levels = 8.0 * risk * (1.0 + SD * rng.standard_normal(len(TIMES)))
        return [(t, max(y, LIMIT), int(y < LIMIT)) for t, y in zip(TIMES, levels.tolist(), strict=True)]
    if kind == "lesions":
        return [(t, int(y), 0) for t, y in zip(TIMES, rng.poisson(u, len(TIMES)), strict=True)]
    edges = np.array([1 / (1 + u), 1 / (1 + u / 4)])
    return [(t, int((x > edges).sum()), 0) for t, x in zip(TIMES, rng.random(len(TIMES)), strict=True)]


def found(cohort: Cohort, method: str) -> Floats:
    """Estimates (K,) on their own scale."""
    start = cohort.theta.pack(cohort.theta.start)
    if method == "imp":
        vector = climb(Density(cohort), start).vector
    elif method == "saem":
        vector = settle(Density(cohort), start).vector
    else:
        name: Method = "laplace" if method == "laplace" else "fo"
        state, here = search(objective_of(cohort, name), State(start), lambda *_: None, bounds(cohort.theta))
        assert state.why == "converged", state.why
        vector = here.vector
    return cohort.theta.natural(vector)


def main(sets: int, methods: list[str]) -> None:
    """Print of each kind and number its truth, the mean of its estimates and their standard deviation."""
    print(f"{sets} sets of {SITES} sites with {EACH} patients; truth: risk 0.5, among patients {IIV}, of sites {ISV}")
    for kind in KINDS:
        cohorts = [drawn(kind, seed) for seed in range(sets)]
        for method in methods:
            begun = time.process_time()
            each = np.array([found(one, method) for one in cohorts])
            spent = (time.process_time() - begun) / sets
            names = cohorts[0].theta.names
            parts = [f"{n} {m:.3f} ({s:.3f})" for n, m, s in zip(names, each.mean(0), each.std(0, ddof=1), strict=True)]
            print(f"{kind}, {method}: {', '.join(parts)}; {spent:.1f} s of processor time each", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
