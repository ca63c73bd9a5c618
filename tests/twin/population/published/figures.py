"""Fits from published starts, with their time: ``python -m tests.twin.population.published.figures [SET ...]``.

Of each set the objective by modes (FOCE-I, of other than normal values Laplace's) and what it took, and the maximum of
the likelihood by importance sampling, -2 log likelihood with its standard error at either, and what that took. Times
are processor seconds of this process, with everything compiled; standard errors of estimates are not in them. With
``--saem SEEDS`` or ``--imp SEEDS`` the ends of SAEM or of the climb by draws by so many seeds instead, with ``--bayes
SEEDS`` the posterior, with ``--fo`` how far the first-order method ends from FOCE-I, with ``--studies`` every data set
of the simulation studies.
"""

from __future__ import annotations

import argparse
import time
from typing import Literal

import numpy as np

from tests.twin.population.published.sets import SETS, STUDIES
from twin.arrays import Floats
from twin.population.importance.climbing import climb, exact_likelihood
from twin.population.importance.covering import first_proposals, proposals_at
from twin.population.importance.density import Density
from twin.population.laplace.first_order import FirstOrderObjective
from twin.population.laplace.methods import post_hoc, usual_objective
from twin.population.objective import Objective
from twin.population.results.uncertainty import uncertainty
from twin.population.sampling.gibbs import sampled
from twin.population.sampling.saem import settle
from twin.population.search import State, bounds, search
from twin.population.theta import Theta

UNKNOWN = 1e-3
"""Squared scores of a number that tell nothing of it: its logarithm has a standard error of thirty and more."""


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


def by_seeds(name: str, seeds: range, method: Literal["saem", "imp"]) -> str:
    """SAEM, or the climb by draws, from the published start, with several seeds: -2 log likelihood, there and at the
    published estimates, how far the ends lie apart, and how far the published ones from each (of the last reference,
    the exact one of several).
    """
    cohort = SETS[name].cohort()
    theta, density, ends, lines = cohort.theta, Density(cohort), [], []
    reference = SETS[name].said["references"][-1]
    published = SETS[name].certainty(cohort, reference)
    vector = theta.pack(SETS[name].population(cohort, reference["estimates"]))
    theirs = exact_likelihood(density, vector, first_proposals(density, vector))
    lines.append(f"{theirs.minus_2_log:.2f} +- {theirs.error:.2f} as published")
    for seed in seeds:
        begun = time.process_time()
        found = (settle if method == "saem" else climb)(density, theta.pack(theta.start), seed)
        took = time.process_time() - begun
        there = exact_likelihood(density, found.vector, found.proposals)
        lines.append(f"{there.minus_2_log:.2f} +- {there.error:.2f} in {took:.1f} s, {found.why}")
        lines.append(away(theta, found.vector, published))
        ends.append(found.vector)
    score = found.sample.likelihood(found.vector).score
    told = np.diag(score.T @ score) > UNKNOWN
    errors = np.sqrt(np.diag(np.linalg.inv((score.T @ score)[np.ix_(told, told)])))
    apart = (np.std(np.array(ends)[:, told], axis=0, ddof=1) / errors).max() if len(ends) > 1 else 0.0
    return f"{name:24} " + "; ".join(lines) + f"; ends at most {apart:.2f} standard errors apart"


def away(theta: Theta, vector: Floats, published: dict[str, tuple[float, float]]) -> str:
    """How far numbers are from the published ones, in their standard errors: the farthest value, and variance."""
    here = dict(zip(theta.names, theta.natural(vector).tolist(), strict=True))
    far = {name: abs(here[name] - value) / error for name, (value, error) in published.items()}
    spread = {name for name in far if name.startswith(("omega.", "iov.", "error."))}
    words = []
    for what, names in (("values", set(far) - spread), ("variances", spread)):
        if names:
            most = max(names, key=lambda one: far[one])
            words.append(f"{what} within {far[most]:.2f} SE ({most})")
    return ", ".join(words)


def study(name: str) -> str:
    """Every data set of a simulation study by FOCE-I from its start, with the data sets' mean bias and root mean square
    error of each number, in percent of the truth, beside those of NONMEM's estimates."""
    lines, ours, theirs = list[str](), list[Floats](), list[Floats]()
    for one, reference in SETS[name].of_each_number():
        cohort = one.cohort()
        theta, objective = cohort.theta, Objective(cohort)
        begun = time.process_time()
        published = theta.pack(one.population(cohort, reference["estimates"]))
        there = objective(published, thorough=True).total
        state, here = search(objective, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
        lines.append(
            f"{name} {one.number:>3} {here.total:11.4f} {state.why:9} {here.total - reference['ofv']:+9.4f} from"
            f" NONMEM's end; at its estimates {there - reference['ofv']:+.4f}; {time.process_time() - begun:.1f} s"
        )
        ours.append(theta.natural(here.vector))
        theirs.append(theta.natural(published))
    truth = SETS[name].truth(cohort)
    known = [theta.names.index(number) for number in truth]
    of = np.array(list(truth.values()))
    off = [100.0 * (np.array(found)[:, known] / of - 1.0) for found in (ours, theirs)]
    bias, error = (np.mean(one, axis=0) for one in off), (np.sqrt(np.mean(one * one, axis=0)) for one in off)
    for number, *each in zip(truth, *bias, *error, strict=True):
        lines.append(
            f"  {number:28} bias {each[0]:+7.1f} % (NONMEM {each[1]:+7.1f})  RMSE {each[2]:6.1f} % ({each[3]:6.1f})"
        )
    return "\n".join(lines)


def first_order(name: str) -> str:
    """The first-order objective at its end, how far its line is from the model, and its ends from those of FOCE-I."""
    cohort = SETS[name].cohort()
    theta, of, conditional = cohort.theta, FirstOrderObjective(cohort), Objective(cohort)
    begin, within = State(theta.pack(theta.start)), bounds(theta)
    state, here = search(of, begin, lambda *_: None, within)
    _, there = search(conditional, begin, lambda *_: None, within)
    errors = uncertainty(conditional, theta, there).errors("R")
    apart = np.abs(theta.natural(here.vector) - theta.natural(there.vector)) / errors
    return (
        f"{name:24} {here.total:11.4f} {state.why:9} off by {of.bent(post_hoc(of, here)):.2f} residual SD;"
        f" {theta.names[int(apart.argmax())]} {apart.max():.1f} standard errors from FOCE-I"
    )


def posterior(name: str, seed: int) -> str:
    """Means and standard deviations of the posterior, from the published start."""
    cohort = SETS[name].cohort()
    begun = time.process_time()
    found = sampled(Density(cohort), cohort.theta.pack(cohort.theta.start), seed)
    lines = [f"{name}: {time.process_time() - begun:.1f} s; {found.problem or 'converged'}"]
    columns = (found.names, found.mean, found.sd, found.r_hat, found.effective)
    lines += [f"  {n:28} {m:10.5g} {s:9.3g} R-hat {r:.3f}, {e:5.0f}" for n, m, s, r, e in zip(*columns, strict=True)]
    return "\n".join(lines)


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("sets", nargs="*", default=list(SETS))
    asked.add_argument("--saem", type=int, default=0, help="seeds")
    asked.add_argument("--imp", type=int, default=0, help="seeds")
    asked.add_argument("--fo", action="store_true")
    asked.add_argument("--bayes", type=int, default=0, help="seeds")
    asked.add_argument("--studies", action="store_true")
    given = asked.parse_args()
    for one in STUDIES if given.studies else given.sets:
        if not SETS[one].here:
            print(f"{one}: the data are not here", flush=True)
        elif given.studies:
            print(study(one), flush=True)
        elif given.saem or given.imp:
            print(by_seeds(one, range(1, (given.saem or given.imp) + 1), "saem" if given.saem else "imp"), flush=True)
        elif given.bayes:
            for number in range(1, given.bayes + 1):
                print(posterior(one, number), flush=True)
        else:
            print((first_order if given.fo else figures)(one), flush=True)
