"""A clock's error is found among delays, a jump begins an epoch, and what was stored is no jump."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import HOUR_MS, MINUTE_MS
from twin.devices.clock import STEP_MS, DeviceClock, Reading


def heard(minutes: range, behind: float, seed: int = 1, drift: float = 0.0) -> list[Reading]:
    """A word a minute, by a clock that is so many minutes behind at first; each is up to ten seconds on its way."""
    chance = Random(seed)
    return [
        Reading(m * MINUTE_MS + chance.randrange(10_000), round((m * (1 - drift) - behind) * MINUTE_MS))
        for m in minutes
    ]


def error(clock: DeviceClock, reading: Reading) -> float:
    """Minutes between the corrected time and the minute that the word was said in."""
    return (clock.corrected(reading) - reading.arrival // MINUTE_MS * MINUTE_MS) / MINUTE_MS


def test_a_clock_that_is_hardly_off_is_left_alone() -> None:
    readings = heard(range(60), 1.0)
    clock = DeviceClock(readings)
    assert [clock.corrected(one) for one in readings] == [one.device for one in readings]


@pytest.mark.parametrize("behind", [-525_600.0, -90.0, 7.0, 60.0])
def test_an_offset_is_taken_off_within_its_step(behind: float) -> None:
    readings = heard(range(60), behind)
    clock = DeviceClock(readings)
    (epoch,) = clock.epochs
    assert epoch.sd < MINUTE_MS
    assert max(abs(error(clock, one)) for one in readings) <= 0.5


def test_a_drift_is_followed_through_days() -> None:
    readings = heard(range(0, 3 * 24 * 60, 5), 10.0, drift=0.002)
    clock = DeviceClock(readings)
    assert clock.epochs[0].drift == pytest.approx(0.002, rel=0.05)
    assert max(abs(error(clock, one)) for one in readings) <= 1.0


def test_a_jump_opens_a_new_epoch_and_changes_nothing_before_it() -> None:
    before, after = heard(range(60), 0.0), heard(range(60, 120), 60.0)
    clock = DeviceClock([*before, *after])
    assert [epoch.first for epoch in clock.epochs] == [before[0].arrival, after[0].arrival]
    assert [clock.corrected(one) for one in before] == [one.device for one in before]
    assert max(abs(error(clock, one)) for one in after) <= 0.5


def test_words_that_were_stored_and_sent_at_once_keep_their_times() -> None:
    now = 500 * MINUTE_MS
    stored = [Reading(now + m * 100, (100 + m) * MINUTE_MS) for m in range(300)]
    readings = [*heard(range(100), 0.0), *stored, *heard(range(501, 600), 0.0)]
    clock = DeviceClock(readings)
    assert len(clock.epochs) == 1
    assert [clock.corrected(one) for one in readings] == [one.device for one in readings]


def test_one_odd_word_sets_no_clock() -> None:
    odd = Reading(30 * MINUTE_MS + 5, -HOUR_MS * 24 * 365)
    assert len(DeviceClock([*heard(range(60), 0.0), odd]).epochs) == 1
    assert DeviceClock([odd]).corrected(odd) == odd.device
    assert DeviceClock([]).epochs == ()


@settings(max_examples=30)
@given(st.permutations([*heard(range(20), 0.0), *heard(range(20, 40), 45.0)]))
def test_the_order_of_readings_does_not_matter(readings: list[Reading]) -> None:
    assert DeviceClock(readings).epochs == DeviceClock(sorted(readings)).epochs
    assert all(epoch.behind(0) % STEP_MS == 0 for epoch in DeviceClock(readings).epochs)


def test_an_epoch_of_which_the_first_readings_are_dropped_goes_on_or_stays_before_the_next() -> None:
    before = heard(range(60), 45.0)
    (epoch,) = DeviceClock(before).epochs
    after = heard(range(60, 120), 45.0)
    (going_on,) = DeviceClock(after, epoch).epochs
    assert (going_on.first, going_on.behind(0)) == (epoch.first, epoch.behind(0))
    assert DeviceClock(after[:1], epoch).corrected(after[0]) == DeviceClock([*before, *after]).corrected(after[0])
    jumped = DeviceClock(heard(range(60, 120), 0.0), epoch).epochs
    assert [one.first for one in jumped] == [epoch.first, heard(range(60, 120), 0.0)[0].arrival]
