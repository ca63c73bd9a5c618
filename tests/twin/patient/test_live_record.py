"""A record takes events in any order; its timeline is that of its history whenever it is needed."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import PATIENT, clock, count, dose, level, ms, sample, start, stop, vital
from tests.twin.timeline.test_timeline import history_of
from twin.events import InputEvent
from twin.kernel.kernel import compile_model
from twin.patient.live_record import LiveRecord
from twin.timeline.difference import first_difference
from twin.timeline.timeline import build

KERNEL = compile_model(toys.absorption())
EVENTS: list[InputEvent] = [
    start(0.3, 40.0), sample(1.2, 40.0), level(3, 2.4), stop(6.3), count(13, 2.5), dose(20, 50.0, route="oral"),
    count(26.1, 1.6), clock(41),
]  # fmt: skip


def never() -> None:
    """Nothing is due."""


def record() -> LiveRecord:
    return LiveRecord(PATIENT, KERNEL)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_any_order_of_arrival_gives_the_timeline_of_the_history(seed: int) -> None:
    shuffled = EVENTS[:]
    Random(seed).shuffle(shuffled)
    found = record()
    for event in shuffled:
        assert found.receive([event], None, never).rejected == ()
    known = build(history_of(EVENTS), KERNEL)
    assert known is not None
    assert first_difference(known, found.up_to_date()) is None


def test_what_changed_is_known_by_its_time() -> None:
    found = record()
    assert found.receive([start(0.3, 40.0)], None, never).since == ms(0.3)
    assert found.receive([level(3, 2.4)], ms(1), never).since == ms(3)
    assert found.receive([vital(4.0)], ms(3), never).since is None


def test_a_dose_after_the_fold_waits_until_it_is_needed() -> None:
    found = LiveRecord(PATIENT, compile_model(toys.bolus()))
    found.receive([dose(0, 60.0)], None, never)
    before = found.timeline
    assert found.receive([dose(24, 60.0)], ms(12), never).since is None
    assert found.timeline is before
    assert found.up_to_date() is not before
    assert ms(24) in found.up_to_date().restarts or first_difference(before, found.up_to_date()) == ms(24)


def test_a_dose_before_where_the_fold_stands_does_not_wait() -> None:
    found = record()
    found.receive([dose(0, 60.0)], None, never)
    assert found.receive([dose(6, 60.0)], ms(12), never).since == ms(6)


def test_a_dose_that_waited_is_built_in_when_something_is_due() -> None:
    found = record()
    found.receive([dose(0, 60.0)], None, never)
    before = found.timeline
    found.receive([dose(24, 60.0)], ms(12), lambda: ms(20))
    assert found.timeline is not before


def test_readings_are_routine_until_something_is_due() -> None:
    found = record()
    assert found.is_routine(vital(0.0), never)
    assert not found.is_routine(level(0.0, 1.0), never)
    found.receive([start(0.3, 40.0), sample(0.5, 40.0)], None, never)
    assert found.is_routine(sample(0.6, 40.0), lambda: ms(4))
    assert not found.is_routine(sample(0.4, 40.0), lambda: ms(4)), "out of order"
    assert not found.is_routine(vital(4.0), lambda: ms(4))
    assert not found.is_routine(stop(0.6), lambda: ms(4))


def test_an_event_that_cannot_be_used_is_rejected_and_leaves_the_others() -> None:
    found = record()
    received = found.receive([level(3, 2.4, patient_id="P-2", event_id="of another"), dose(1, 60.0)], None, never)
    (rejected,) = received.rejected
    assert (rejected.reason, rejected.patient_id, rejected.event_id) == ("wrong_patient", "P-2", "of another")
    assert received.since == ms(1)


def test_a_record_without_a_useful_fact_has_no_timeline() -> None:
    found = record()
    found.receive([clock(3.0)], None, never)
    assert found.timeline is None
    with pytest.raises(ValueError, match="the record of 'P-1' holds nothing that a belief could rest on"):
        found.up_to_date()
