"""A record weighed in one go, in two, or along a finer walk has the same likelihoods; uncertain times branch off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.bedside import ms
from tests.twin.filter.test_trunk import KERNEL, LINE, trunk
from twin.clock import HOUR_MS
from twin.filter.belief import prior
from twin.filter.weighing import datum_log_likelihood, grid_stops, read_uncertain, weigh

GRID = trunk().grid
BELIEF = prior(KERNEL.model, 12, "P-1")


def test_stops_are_the_multiples_strictly_between() -> None:
    assert grid_stops(0, 30, 10).tolist() == [10, 20]
    assert grid_stops(-5, 10, 10).tolist() == [0]
    assert grid_stops(3, 3, 10).tolist() == []


def test_the_last_datum_is_weighed_apart_from_those_before_it() -> None:
    solver = trunk().solver(BELIEF)
    origin = solver.initial(LINE)
    whole = weigh(solver, origin, LINE, LINE.observations, GRID)
    before = weigh(solver, origin, LINE, LINE.observations[:-1], GRID)
    assert np.array_equal(whole.past, before.past + before.last)
    assert whole.cloud.millis == LINE.observations[-1].millis


def test_each_likelihood_is_that_of_what_the_particles_show() -> None:
    solver = trunk().solver(BELIEF)
    origin, first = solver.initial(LINE), LINE.observations[0]
    found = weigh(solver, origin, LINE, [first], GRID)
    _, out = solver.advance(origin, LINE, first.millis, np.array([first.millis]))
    known = datum_log_likelihood(KERNEL, first, KERNEL.read(out[0], first.output))
    assert not found.past.any()
    np.testing.assert_allclose(found.last, known, rtol=1e-6)


def test_data_before_where_a_solution_begins_do_not_count() -> None:
    solver = trunk().solver(BELIEF)
    later, _ = solver.advance(solver.initial(LINE), LINE, ms(10))
    found = weigh(solver, later, LINE, LINE.observations, GRID)
    known = weigh(solver, later, LINE, [o for o in LINE.observations if o.millis > ms(10)], GRID)
    assert np.array_equal(found.past + found.last, known.past + known.last)


@pytest.mark.parametrize("stands_at", [0.3, 6.5])
def test_a_sample_of_uncertain_time_reads_the_same_wherever_the_particles_stand(stands_at: float) -> None:
    solver = trunk().solver(BELIEF)
    origin = solver.initial(LINE)
    moments = tuple(ms(7.7) + k * HOUR_MS // 2 for k in (-2, 0, 2))
    uncertain = replace(LINE.observations[1], moments=moments)
    stops = grid_stops(origin.millis, ms(stands_at), GRID)
    stands, _ = solver.advance(origin, LINE, max(ms(stands_at), origin.millis), stops=stops)
    found = read_uncertain(solver, stands, origin, LINE, [LINE.observations[0], uncertain], GRID)
    _, out = solver.advance(origin, LINE, moments[-1], np.array(moments))
    known = [KERNEL.read(row, uncertain.output) for row in out]
    np.testing.assert_allclose(found, known, rtol=1e-6)
