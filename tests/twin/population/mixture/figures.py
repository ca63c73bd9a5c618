"""How good a fit of a mixture is: ``python -m tests.twin.population.mixture.figures [SETS]``.

Of simulated sets of 80 patients of two clearances, by FOCE-I from the truth: how often the interval of 1.96 standard
errors holds it, and how many patients are in the class that they are called, beside the probability that was told. And
Bauer's mixture with its published estimates and standard errors, where the data are there.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.twin.population.mixture.mixtures import concentrations, eliminated
from tests.twin.population.published.sets import SETS
from tests.twin.population.test_objective import timelines
from twin.kernel.kernel import compile_model
from twin.population.cohort import Cohort
from twin.population.objective import Objective
from twin.population.results.uncertainty import uncertainty
from twin.population.search import State, bounds, search
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for

TRUTH = {"CL": 2.0, "ratio": 3.0, "V": 20.0, "omega.CL": 0.0625, "omega.V": 0.04, "error.plasma.proportional": 0.1}


def simulated(sets: int) -> str:
    """Coverage and classes over sets."""
    model = eliminated()
    kernel, theta = compile_model(model), Theta.of(model)
    truth = np.array([(TRUTH | {"share.slow": 0.4})[name] for name in theta.names])
    away, right, promised, ended = [], [], [], 0
    for seed in range(sets):
        text, classes = concentrations(80, seed)
        cohort = Cohort(kernel, step_sizes_for(kernel), timelines(model, tuple(text.splitlines())), theta)
        objective = Objective(cohort)
        state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
        errors = uncertainty(objective, theta, here).errors("R")
        if state.why != "converged" or errors is None or here.posterior is None:
            continue
        ended += 1
        away.append((theta.natural(here.vector) - truth) / errors)
        said = np.array(["slow", "fast"])[here.posterior.argmax(axis=1)]
        right.append(np.mean(said == np.array(list(classes.values()))))
        promised.append(here.posterior.max(axis=1).mean())
    scores = np.array(away)
    held, bias, spread = (np.abs(scores) < 1.96).mean(axis=0), scores.mean(axis=0), scores.std(axis=0, ddof=1)
    lines = [f"{ended} of {sets} sets converged with standard errors"]
    lines += [
        f"  {name:28} 95 % interval holds the truth in {100 * h:3.0f} %; z has mean {b:5.2f}, SD {s:.2f}"
        for name, h, b, s in zip(theta.names, held, bias, spread, strict=True)
    ]
    lines.append(f"  in their class {np.mean(right):.3f} of patients; told {np.mean(promised):.3f}")
    return "\n".join(lines)


def published() -> str:
    """Bauer's mixture: estimates with standard errors beside NONMEM's."""
    one = SETS["bauer_mixture"]
    cohort = one.cohort()
    theta, objective = cohort.theta, Objective(cohort)
    objective(theta.pack(theta.start))
    begun = time.process_time()
    state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    took = time.process_time() - begun
    reference = one.said["references"][0]
    theirs = theta.natural_of(one.population(cohort, reference["estimates"]))
    found = uncertainty(objective, theta, here)
    lines = [f"bauer_mixture: {here.total:.4f} ({reference['ofv']:.4f}), {state.why}, {took:.1f} s"]
    for at, name in enumerate(theta.names):
        by = [errors[at] for kind in ("R", "S", "sandwich") if (errors := found.errors(kind)) is not None]  # type: ignore[arg-type]
        said = ", ".join(f"{one:.4g}" for one in by)
        lines.append(f"  {name:28} {theta.natural(here.vector)[at]:10.6g} ({theirs[at]:.6g}); SE by R, S, both: {said}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(simulated(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
    if SETS["bauer_mixture"].here:
        print(published())
