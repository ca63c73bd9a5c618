"""A patient's outputs through time: the past as it is believed now, the future as it is planned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.twin import toys
from tests.twin.bedside import count, dose, level, ms, plan
from twin.clock import HOUR_MS
from twin.events import InputEvent
from twin.figure.trajectory import EVEN, Trajectory, curve_times, trajectory
from twin.filter.belief import prior
from twin.filter.trunk import Trunk
from twin.kernel.kernel import compile_model
from twin.record.orders import Orders
from twin.study.records import record_of
from twin.timeline.timeline import build

MODEL = toys.absorption()
BELIEF = prior(MODEL, 60, "P-1")


def seen(events: Sequence[InputEvent], now: float, ahead: float) -> Trajectory:
    history, refused = record_of(events, MODEL)
    assert refused == ()
    kernel = compile_model(MODEL)
    timeline = build(history, kernel)
    assert timeline is not None
    return trajectory(
        Trunk(kernel, "P-1"), BELIEF, timeline, Orders(history).plan(ms(now)), ms(now), round(ahead * HOUR_MS)
    )


def test_it_goes_from_the_first_fact_to_the_end_of_what_is_ahead() -> None:
    found = seen([dose(0, 60, 2), level(5, 1.0), count(10, 3.0)], 10, 24)
    assert (found.times[0], found.now, found.times[-1]) == (ms(0), ms(10), ms(34))
    assert found.bands.shape == (len(found.times), len(MODEL.outputs), 5)
    assert (np.diff(found.bands, axis=2) >= -1e-9).all()
    assert (np.diff(found.times) > 0).all()


def test_the_past_begins_with_the_initial_state_and_rises_while_something_is_given() -> None:
    found = seen([dose(0, 60, 2), level(5, 1.0)], 5, 0)
    median = found.bands[:, 0, 2]
    assert median[0] == 0
    assert found.times[int(median.argmax())] == ms(2)


def test_doses_that_are_planned_are_foreseen() -> None:
    told = [dose(0, 60), plan(0, (12, 60.0, None)), level(5, 1.0)]
    ahead, without = (seen(events, 6, 12) for events in (told, [told[0], told[2]]))
    assert (ahead.bands[-1, 0] > without.bands[-1, 0]).all()
    past = ahead.times <= ms(6)
    assert ahead.bands[past, 0, 2].tolist()[0] == without.bands[0, 0, 2]


def test_a_curve_has_points_at_every_value_and_after_every_change() -> None:
    history, _ = record_of([dose(0, 60, 2), level(5.123, 1.0)], MODEL)
    timeline = build(history, compile_model(MODEL))
    assert timeline is not None
    times = curve_times(timeline, ms(10))
    assert ms(5.123) in times
    assert ms(2) in times
    assert len(times) > EVEN
    assert np.diff(times[times >= ms(2)])[0] < np.diff(times[times >= ms(2)])[12]
