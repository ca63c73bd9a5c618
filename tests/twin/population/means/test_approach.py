"""Where many effects correlate a search from afar comes near by two stages, and ends where it would have ended."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from tests.twin import toys
from tests.twin.population.test_objective import objective, oral, timelines
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.population.cohort import Cohort
from twin.population.means.approach import sought
from twin.population.objective import Evaluation, Objective
from twin.population.search import State, bounds, search
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for

PATIENTS, TIMES = 30, (0.2, 0.7, 2, 5, 9, 14, 24, 36)


@functools.cache
def two_compartments() -> Model:
    """Four effects that all correlate, and values far from those that the data are drawn by."""
    names = ["CL", "V", "Q", "W"]
    extra = "".join(
        f'[[correlations]]\nbetween = ["{a}", "{b}"]\ncovariance = 0.001\n{toys.SOURCE}\n'
        for i, a in enumerate(names)
        for b in names[:i]
    )
    parameters = {"CL": "7 L/h 0.3", "V": "7 L 0.3", "Q": "7 L/h 0.3", "W": "30 L 0.3"}
    states = {"A": "mg: input(toxin) - (CL + Q)/V*A + Q/W*P", "P": "mg: Q/V*A - Q/W*P"}
    return toys.made(parameters, states, {"plasma": "mg/L: A/V"}, extra=extra)


@functools.cache
def cohort() -> Cohort:
    """Patients drawn by CL 4, V 12, Q 5, W 50, variances 0.1, correlations 0.4 and errors of 10 %."""
    model = two_compartments()
    lines = ["ID,TIME,EVID,AMT,DV"]
    for i in range(1, PATIENTS + 1):
        lines += [f"{i},0,1,100,.", *(f"{i},{t},0,.,1" for t in TIMES)]
    kernel, every = compile_model(model), timelines(model, tuple(lines))
    found = Cohort(kernel, step_sizes_for(kernel), every, Theta.of(model))
    rng = np.random.default_rng(5)
    eta = rng.multivariate_normal(np.zeros(4), 0.1 * (0.4 + 0.6 * np.eye(4)), PATIENTS)
    place = found.theta.population({"CL": 4.0, "V": 12.0, "Q": 5.0, "W": 50.0}).place
    f = found.predictions(np.arange(PATIENTS), eta[:, None], place)[:, 0]
    values = iter((f * (1.0 + 0.1 * rng.standard_normal(f.shape))).tolist())
    found.subjects = tuple(
        replace(s, observations=tuple(replace(o, value=next(values)) for o in s.observations)) for s in found.subjects
    )
    return found


def test_it_comes_near_in_a_few_steps_and_ends_where_the_search_ends() -> None:
    of, told = Objective(cohort()), list[tuple[int, float]]()

    def tell(state: State, here: Evaluation) -> None:
        told.append((state.step, here.total))

    begin, within = State(of.cohort.theta.pack(of.cohort.theta.start)), bounds(of.cohort.theta)
    state, here = sought(of, begin, tell, within)
    plain, there = search(of, begin, lambda *_: None, within)
    assert state.why == plain.why == "converged"
    assert here.total < there.total + 1e-3
    assert state.step < plain.step
    assert [step for step, _ in told[:5]] == [0, 1, 2, 3, 4]
    assert told[4][1] - here.total < 0.1 * (told[0][1] - here.total)


def test_a_search_that_stood_somewhere_goes_on_from_there() -> None:
    of, steps = Objective(cohort()), list[int]()
    begin = State(of.cohort.theta.pack(of.cohort.theta.start), None, 7)
    sought(of, begin, lambda state, _: steps.append(state.step), bounds(of.cohort.theta))
    assert steps[0] == 7


def test_few_covariances_are_searched_at_once() -> None:
    of = objective(oral())
    begin, within = State(of.cohort.theta.pack(of.cohort.theta.start)), bounds(of.cohort.theta)
    state, here = sought(of, begin, lambda *_: None, within)
    plain, there = search(of, begin, lambda *_: None, within)
    assert (state.step, here.total) == (plain.step, there.total)
