"""A patient of a fit goes by the characteristics of each record, of the first one and of those of one TIME too."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.population.test_objective import timelines
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.population.cohort import Cohort
from twin.population.theta import Theta
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for

LINES = (
    "ID,TIME,EVID,AMT,X,DV",
    *("1,0,0,.,0,5", "1,0,0,.,10,5", "1,0,0,.,90,5", "1,0,1,100,90,.", "1,2,0,.,40,5"),
    *("2,0,0,.,3,5", "2,5,0,.,7,5"),
)


def beginning_by_x(carry: str) -> Model:
    """An amount that begins with 10 mg for each (1 + X), of which 10 % an hour go, seen beside X itself."""
    covariate = f'[covariates.X]\nunit = "1"\nreference = 0\ncarry = "{carry}"\n{toys.SOURCE}\n'
    return toys.made(
        {"k": "0.1 1/h 0.1", "V": "10 L", "B": "10 mg", "U": "1 mg/L"},
        {"A": "mg: B*(1 + X) -> input(toxin) - k*A"},
        {"plasma": "mg/L: A/V + U*X"},
        extra=covariate,
    )


@pytest.mark.parametrize("carry", ["backward", "forward"])
def test_each_value_is_predicted_by_what_its_record_says(carry: str) -> None:
    expected = [[1.0, 11.0, 91.0, 11 * exp(-0.2) + 40], [7.0, 4 * exp(-0.5) + 7]]
    model = beginning_by_x(carry)
    kernel, every = compile_model(model), timelines(model, LINES)
    cohort = Cohort(kernel, step_sizes_for(kernel), every, Theta.of(model))
    solver = Solver(kernel, np.zeros((1, 1)), step_sizes_for(kernel))
    typical = np.zeros((1, 1, cohort.size))
    for i, timeline in enumerate(every.values()):
        found = cohort.predictions(np.array([i]), typical, cohort.theta.start.place)[:, 0]
        assert found == pytest.approx(expected[i], abs=1e-4)
        marks = np.unique([o.millis for o in timeline.observations])
        shown = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)[1][:, 0, 0]
        assert shown[np.searchsorted(marks, [o.millis for o in timeline.observations])] == pytest.approx(found)
