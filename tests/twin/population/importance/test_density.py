"""A density is what the kinds of values say, counted as NONMEM counts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.population.laplace.test_laplace import GRADED, graded
from tests.twin.population.test_objective import oral, timelines
from twin.arrays import Floats
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.observation.likelihood import log_likelihood
from twin.population.cohort import Cohort
from twin.population.importance.density import Density, Read
from twin.population.residuals import LOG_2PI
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for

LIMITS = (
    "ID,TIME,EVID,AMT,DV,CENS",
    "1,0,1,100,.,0",
    "1,1,0,.,6.1,0",
    "1,30,0,.,0.1,1",
    "2,0,1,50,.,0",
    "2,2,0,.,3.9,0",
    "2,3,0,.,3.0,-1",
)


def cohort_of(model: Model, lines: tuple[str, ...] = LIMITS) -> Cohort:
    kernel = compile_model(model)
    return Cohort(kernel, step_sizes_for(kernel), timelines(model, lines), Theta.of(model))


@pytest.mark.parametrize(
    "error", ["additive = 0.3, proportional = 0.1", "log_additive = 0.2", "additive = 1.0, df = 4"]
)
def test_every_value_counts_as_its_kind_says(error: str) -> None:
    model = parse_model(oral().text.replace("proportional = 0.2", error), "made.toml")
    cohort = cohort_of(model)
    density = Density(cohort)
    assert density.normal == 2
    z = np.zeros((2, 5, cohort.size))
    z[:, :, : cohort.effects] = 0.3 * np.random.default_rng(1).standard_normal((2, 5, cohort.effects))
    place = cohort.theta.start.place
    found = density.of(density.read(z, place), [o.error for o in model.outputs])
    expected = np.zeros_like(found)
    for i, out in enumerate(cohort.rows(np.arange(2), z, place)):
        subject = cohort.subjects[i]
        for n, o in enumerate(subject.observations):
            expected[i] += log_likelihood(model.outputs[0], o, out[subject.mark[n], :1])
    np.testing.assert_allclose(
        found.sum(axis=0) - 0.5 * density.constant, expected.sum(axis=0) + 0.5 * density.normal * LOG_2PI, rtol=1e-12
    )


def test_a_draw_that_makes_values_impossible_has_no_density_and_no_other_is_harmed() -> None:
    cohort = cohort_of(oral())
    z = np.zeros((2, 2, cohort.size))
    z[0, 0] = 1e4
    density = Density(cohort)
    found = density.of(density.read(z, cohort.theta.start.place), [o.error for o in oral().outputs])
    assert found[0, 0] == -np.inf
    assert np.isfinite(found[0, 1])
    assert np.isfinite(found[1]).all()


def test_values_that_say_the_same_are_one_part() -> None:
    cohort = cohort_of(graded(), GRADED)
    read = at_everybody(Density(cohort), 0.1)
    # Levels of both patients, whoever was graded 0, and whoever was graded 1.
    assert [part.shape for part in read.parts] == [(4, 3), (2, 2, 3), (2, 2, 3)]


def test_a_change_is_of_those_parts_that_differ() -> None:
    cohort = cohort_of(graded(), GRADED)
    density, errors = Density(cohort), [o.error for o in graded().outputs]
    here, slope = at_everybody(density, 0.0), cohort.theta.names.index("slope")
    slopes = at_everybody(density, 0.0, 1e-3 * cohort.directions[slope]).slopes(here, 1e-3)
    assert slopes.parts[0] is None
    assert slopes.parts[1] is not None
    up, down = here.moved(slopes, 0.2), here.moved(slopes, -0.2)
    assert up.parts[0] is down.parts[0] is here.parts[0]
    expected = density.of(up, errors) - density.of(down, errors)
    np.testing.assert_allclose(density.change(up, down, errors, errors), expected, rtol=1e-9)
    larger = cohort.theta.moved_errors(tuple(errors), cohort.theta.scatter[0], 0.1)
    expected = density.of(here, larger) - density.of(here, errors)
    np.testing.assert_allclose(density.change(here, here, larger, errors), expected, rtol=1e-9)


def at_everybody(density: Density, eta: float, moved: Floats | float = 0.0) -> Read:
    """At three points of everybody, with z moved besides."""
    cohort = density.cohort
    z = np.zeros((len(cohort), 3, cohort.size))
    z[:, :, : cohort.effects] = eta * np.arange(3)[:, None]
    return density.read(z + moved, cohort.theta.start.place)
