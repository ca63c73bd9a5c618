"""Steps meet every discontinuity, depend on the timeline alone, and are the same piece by piece as in one go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.twin import toys
from tests.twin.equations import infusion, timeline_of
from twin.clock import HOUR_MS
from twin.filter.belief import prior
from twin.kernel.arguments import StepSizes
from twin.kernel.kernel import compile_model
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.solver.step_schedule import schedule
from twin.timeline.timeline import Timeline

TOY = compile_model(toys.absorption())
PACE = step_sizes_for(TOY)
SPAN = 96 * HOUR_MS
NONE = np.empty(0, dtype=np.int64)

instants = st.integers(0, SPAN)
rates = st.lists(
    st.tuples(instants, st.sampled_from([0.0, 3.0, 12.5, 40.0])), max_size=5, unique_by=lambda step: step[0]
)
doses = st.lists(st.tuples(instants, st.just(25.0), st.sampled_from(["iv", "oral"])), max_size=4)
pulses = st.lists(instants, max_size=3)
weights = st.lists(
    st.tuples(st.integers(1, SPAN - 1), st.sampled_from([55.0, 80.0])), max_size=3, unique_by=lambda w: w[0]
)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Infusions, doses by mouth and vein, pulses and changes of weight anywhere in four days."""
    toxin = infusion(sorted(draw(rates)), sorted(draw(doses)))
    covariates = [(millis, [kilograms]) for millis, kilograms in sorted(draw(weights))]
    return timeline_of(
        TOY, {"toxin": toxin, "helper": infusion([], pulses=sorted(draw(pulses)))}, covariates=covariates
    )


sets_of_times = st.lists(st.integers(1, SPAN), max_size=5, unique=True).map(
    lambda times: np.array(sorted(times), np.int64)
)


@settings(max_examples=60, deadline=None)
@given(timelines(), sets_of_times, sets_of_times)
def test_steps_cover_the_span_and_never_cross_a_discontinuity(
    timeline: Timeline, stops: NDArray[np.int64], marks: NDArray[np.int64]
) -> None:
    steps = schedule(timeline, TOY, PACE, 0, SPAN, stops, marks)
    ends = steps.start + steps.dt
    assert (steps.dt > 0).all()
    assert steps.dt.sum() == pytest.approx(SPAN / HOUR_MS, rel=1e-12)
    np.testing.assert_allclose(steps.start[1:], ends[:-1], rtol=1e-12)
    assert steps.dt.max() <= PACE.largest
    for boundary in np.concatenate([timeline.changes_between(0, SPAN), stops[stops < SPAN]]):
        assert np.isclose(steps.start, boundary / HOUR_MS, rtol=1e-12, atol=1e-12).any()
    held = np.searchsorted(timeline.change, (steps.start + 0.5 * steps.dt) * HOUR_MS, side="right")
    assert np.array_equal(steps.inputs.row, held)
    (marked,) = np.nonzero(steps.mark >= 0)
    assert np.array_equal(steps.mark[marked], np.arange(len(marks)))
    np.testing.assert_allclose(ends[marked] * HOUR_MS, marks, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(timelines(), sets_of_times)
def test_every_impulse_enters_once_at_its_own_instant(timeline: Timeline, stops: NDArray[np.int64]) -> None:
    steps = schedule(timeline, TOY, PACE, 0, SPAN, stops, NONE)
    within = timeline.kick[timeline.kick < SPAN]
    assert steps.inputs.kick_from[0] == 0
    assert steps.inputs.kick_from[-1] == len(within) == len(steps.inputs.kick_column)
    assert (np.diff(steps.inputs.kick_from) >= 0).all()
    for k, (low, high) in enumerate(zip(steps.inputs.kick_from[:-1], steps.inputs.kick_from[1:], strict=True)):
        np.testing.assert_allclose(within[low:high] / HOUR_MS, steps.start[k], rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(timelines(), sets_of_times, st.data())
def test_solving_piece_by_piece_is_solving_in_one_go_to_the_last_bit(
    timeline: Timeline, stops: NDArray[np.int64], choice: st.DataObject
) -> None:
    solver = Solver(TOY, prior(TOY.model, 3, "pieces").eta, PACE, shared=False)
    whole, _ = solver.advance(solver.initial(timeline), timeline, SPAN, stops=stops)
    paused = choice.draw(st.lists(st.sampled_from(stops.tolist()), unique=True) if len(stops) else st.just([]))
    cloud = solver.initial(timeline)
    for stop in [*sorted(paused), SPAN]:
        cloud, _ = solver.advance(cloud, timeline, stop, stops=stops)
    assert np.array_equal(cloud.z, whole.z)
    assert np.array_equal(cloud.y, whole.y)


@settings(max_examples=30, deadline=None)
@given(timelines(), sets_of_times.filter(len))
def test_looking_is_a_branch_that_leaves_the_trunk_as_it_was(timeline: Timeline, marks: NDArray[np.int64]) -> None:
    solver = Solver(TOY, prior(TOY.model, 3, "looks").eta, PACE, shared=False)
    start = solver.initial(timeline)
    before, _ = solver.advance(start, timeline, SPAN)
    solver.advance(start, timeline, SPAN, marks)
    after, _ = solver.advance(start, timeline, SPAN)
    assert np.array_equal(before.z, after.z)
    assert np.array_equal(before.y, after.y)


def test_steps_grow_with_the_time_since_a_change() -> None:
    timeline = timeline_of(TOY, {"toxin": infusion([(0, 10.0), (50 * HOUR_MS, 0.0)])})
    steps = schedule(timeline, TOY, StepSizes(0.1, 0.5, 8.0), 0, SPAN, NONE, NONE)
    for begin in (0.0, 50.0):
        since = steps.start - begin
        here = (since >= 0) & (steps.start + steps.dt < begin + 30)
        np.testing.assert_allclose(steps.dt[here], np.minimum(8.0, np.maximum(0.1, 0.5 * since[here])), rtol=1e-9)


def test_a_model_without_stepped_states_jumps_from_boundary_to_boundary() -> None:
    kernel = compile_model(toys.bolus())
    timeline = timeline_of(kernel, {"toxin": infusion([(0, 10.0), (5 * HOUR_MS, 0.0)])})
    steps = schedule(timeline, kernel, step_sizes_for(kernel), 0, SPAN, NONE, np.array([SPAN], dtype=np.int64))
    assert steps.dt.tolist() == [5.0, 91.0]
