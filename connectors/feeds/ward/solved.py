"""The course of a patient whose model asks for more than `connectors.feeds.ward.physiology` follows.

Such are functions of the record, doses that enter late, occasions, and what is measured otherwise than as a value with
an error: grades, counts, events. The patient is simulated by the twin's own equations (`twin.study.simulation`), from a
perfect record of what really happened; so a score of the twin against this truth is none of its equations, which the
tests of the library hold against another solution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectors.feeds.ward.physiology import measured
from twin.arrays import Floats
from twin.events import DoseGiven, InputEvent
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.observation.kinds import kind_of
from twin.randomness import generator
from twin.solver.solver import Solver
from twin.study.design import Design
from twin.study.prediction import Predictor
from twin.study.simulation import sample_of, simulate, truth


@dataclass(frozen=True)
class Solved:
    """A patient's course.

    Attributes:
        course: by name of output and of target state, arrays (T,) along the grid without residual error.
        results: by number of the sample, ms and value; one that awaits what happened before is none any more, and what
            happened has the ms of its moment.
    """

    course: dict[str, Floats]
    results: Mapping[int, tuple[int, float]]


def solved(
    model: Model,
    patient_id: str,
    eta: Floats,
    happened: Sequence[InputEvent],
    samples: Sequence[tuple[int, int]],
    grid: NDArray[np.int64],
) -> Solved:
    """The course of a patient with this ``eta`` (d,).

    Args:
        patient_id: key of all chance.
        happened: doses, deliveries and covariates, in canonical units.
        samples: (ms, number of the output), in time order.
        grid: (T,) ms, ascending.
    """
    kernel = compile_model(model)
    predictor = Predictor(kernel, patient_id)
    doses = sorted((each for each in happened if isinstance(each, DoseGiven)), key=lambda dose: dose.time)
    others = tuple(each for each in happened if not isinstance(each, DoseGiven))
    timeline = simulate(predictor, eta, Design(tuple(doses), tuple(samples), others))
    # Before its first dose or sample a patient stands as at that.
    marks = np.unique(np.maximum(grid, timeline.start))
    solver = Solver(kernel, truth(predictor, eta), predictor.step_sizes, shared=False)
    out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)[1]
    shown = out[np.searchsorted(marks, np.maximum(grid, timeline.start)), :, 0]
    names = [output.name for output in model.outputs] + [target.state for target in model.targets]
    course = {name: shown[:, row].copy() for row, name in enumerate(names) if name is not None}
    rng = generator(patient_id, "measured again")
    results: dict[int, tuple[int, float]] = {}
    for observation in timeline.observations:
        output, value = model.outputs[observation.output], observation.value
        kind = kind_of(output)
        if value <= 0 and not (kind.discrete or kind.awaited or kind.weighs_negative(output)):
            at = int(np.searchsorted(grid, observation.millis))
            value = measured(output, float(course[output.name][min(at, len(grid) - 1)]), rng)
        results[sample_of(observation)] = observation.millis, value
    return Solved(course, results)
