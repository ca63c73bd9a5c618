"""The trunk is a function of the history: looks leave it alone, and a forgotten cloud grows again to the same bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import count, dose, level, ms, start, stop, weight
from tests.twin.timeline.records import history_of
from twin.clock import MINUTE_MS
from twin.events import InputEvent
from twin.filter.belief import prior
from twin.filter.learning import learn
from twin.filter.trunk import Trunk, TrunkPosition, rhythm_of
from twin.kernel.kernel import compile_model
from twin.timeline.timeline import build

KERNEL = compile_model(toys.absorption())
EVENTS: list[InputEvent] = [
    start(0.3, 40.0), stop(6), level(3, 2.0), level(7.7, 2.4), count(13, 2.5), weight(-1, 70.0), weight(9, 85.0),
    dose(20, 50.0, route="oral"), count(26.1, 1.9),
]  # fmt: skip
TIMELINE = build(history_of(EVENTS), KERNEL)
assert TIMELINE is not None
LINE = TIMELINE


def trunk() -> Trunk:
    return Trunk(KERNEL, "P-1")


def test_patients_estimates_spread_over_the_hour_and_their_forecasts_over_the_day() -> None:
    """A ward whose twins all speak at the full hour keeps every one of them waiting for the others."""
    rhythms = [rhythm_of(KERNEL.model, f"P-{number}") for number in range(2000)]
    assert rhythms == [rhythm_of(KERNEL.model, f"P-{number}") for number in range(2000)]
    assert all(0 <= rhythm.phase < rhythm.forecast and rhythm.phase % MINUTE_MS == 0 for rhythm in rhythms)
    for spread_over in (rhythms[0].estimate, rhythms[0].forecast):
        tenths = np.bincount([10 * (rhythm.phase % spread_over) // spread_over for rhythm in rhythms], minlength=10)
        assert 140 < tenths.min() <= tenths.max() < 260


def after(observations: int, hours: float) -> TrunkPosition:
    """Where a trunk stands after so many values, brought on to an hour."""
    grown = trunk()
    position = grown.begin(LINE, prior(KERNEL.model, 40, "P-1"))
    for observation in LINE.observations[:observations]:
        position, _ = learn(grown, position, LINE, observation)
    return grown.advance_to_grid(grown.forward(position, LINE, ms(hours)), LINE, ms(hours))


def assert_same_cloud(one: TrunkPosition, other: TrunkPosition) -> None:
    for first, second in ((one.cloud, other.cloud), (one.typical, other.typical)):
        assert first is not None
        assert second is not None
        assert (first.millis, first.epoch) == (second.millis, second.epoch)
        assert np.array_equal(first.z, second.z)
        assert np.array_equal(first.y, second.y)
    assert np.array_equal(one.past, other.past)


@pytest.mark.parametrize(("observations", "hours"), [(0, 2.0), (1, 5.5), (2, 12.0), (3, 25.9), (4, 26.1), (4, 47.0)])
def test_a_forgotten_cloud_is_solved_again_to_the_same_bits(observations: int, hours: float) -> None:
    known = after(observations, hours)
    forgotten = known.forgotten()
    grown = trunk()
    again = grown.advance_to_grid(grown.remembered(forgotten, LINE, ms(hours)), LINE, ms(hours))
    assert_same_cloud(known, again)
    marks = np.array([ms(hours), ms(hours) + 1, ms(60)], dtype=np.int64)
    assert np.array_equal(grown.look(known, LINE, marks), grown.look(again, LINE, marks))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(8.0, 60.0), min_size=1, max_size=5, unique=True))
def test_looking_ahead_and_growing_by_small_steps_change_nothing(hours: list[float]) -> None:
    grown, position = trunk(), after(2, 7.7)
    for hour in sorted(hours):
        position = grown.advance_to_grid(grown.forward(position, LINE, ms(hour)), LINE, ms(hour))
        grown.look(position, LINE, np.array([ms(hour) + 5, ms(70)], dtype=np.int64))
    assert_same_cloud(position, after(2, max(hours)))


def test_a_position_whose_cloud_was_forgotten_says_so() -> None:
    forgotten = replace(after(1, 5.0), cloud=None)
    with pytest.raises(ValueError, match=r"call Trunk\.remembered first"):
        trunk().forward(forgotten, LINE, ms(20))


def test_looking_back_shows_the_record_as_the_particles_explain_it() -> None:
    position, grown = after(2, 7.7), trunk()
    marks = np.array([LINE.start, ms(3), ms(7.7), ms(12)], dtype=np.int64)
    back = grown.look_back(position.belief, LINE, marks)
    assert back.shape == (4, KERNEL.height, 40)
    np.testing.assert_allclose(back[-1], grown.look(position, LINE, marks[-1:])[0], rtol=1e-6)
    assert np.isfinite(back).all()
