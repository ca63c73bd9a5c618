"""A record takes events in any order; its timeline is that of its history whenever it is needed."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import PATIENT, clock, count, dose, level, ms, sample, start, stop, temperature, totals, vital
from tests.twin.timeline.test_timeline import history_of
from twin.events import InputEvent, to_millis
from twin.kernel.kernel import compile_model
from twin.patient.live_record import LiveRecord, Quiet, Repeated
from twin.timeline.difference import first_difference
from twin.timeline.timeline import build

KERNEL = compile_model(toys.absorption())
EVENTS: list[InputEvent] = [
    start(0.3, 40.0), sample(1.2, 40.0), level(3, 2.4), stop(6.3), count(13, 2.5), dose(20, 50.0, route="oral"),
    count(26.1, 1.6), clock(41),
]  # fmt: skip
COUNTED: list[InputEvent] = [
    start(0), totals(0, 0), totals(2, 80), totals(1.5, 100), totals(4, 120), totals(5, 120), level(6, 2.4),
]  # fmt: skip
REPORTS: list[InputEvent] = [sample(7), sample(8), sample(4.5), stop(9)]
UNSAID: list[InputEvent] = [
    sample(0), sample(50), stop(60), stop(60, event_id="mend", status="retracted", replaces="stop pump-1 60"),
    start(100, 10.0),
]  # fmt: skip
"""A rate that only the report at 50 h carries on past 72 h, for a word that would have was taken back."""


def never() -> None:
    """Nothing is due."""


def record() -> LiveRecord:
    return LiveRecord(PATIENT, KERNEL)


def repeated(found: LiveRecord, event: InputEvent, quiet: Quiet) -> Repeated | None:
    return found.repeated(event, to_millis(event.time), quiet)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([EVENTS, COUNTED, [*COUNTED, *REPORTS], UNSAID]), st.integers(0, 1000))
def test_any_order_of_arrival_gives_the_timeline_of_the_history(told: list[InputEvent], seed: int) -> None:
    shuffled = told[:]
    Random(seed).shuffle(shuffled)
    found = record()
    for event in shuffled:
        assert found.receive([event], None, never).rejected == ()
    known = build(history_of(told), KERNEL)
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


def test_readings_of_a_quiet_time_are_repeated() -> None:
    found, quiet = record(), Quiet(ms(0.5), ms(4))
    found.receive([start(0.3, 40.0), sample(0.5, 40.0), vital(0.6)], None, never)
    known = found.history.reported
    for event in (vital(0.7), clock(0.8), sample(0.9, 40.0), sample(1.0, 40.0)):
        one = repeated(found, event, quiet)
        assert one is not None
        found.keep(one)
    assert found.history.reported == known + 4
    assert found.history.samples["pump-1", "toxin"].times[-1] == ms(1.0)


@pytest.mark.parametrize(
    "event",
    [
        vital(0.5), vital(4.0), clock(4.5), sample(0.6, 40.0), sample(1.1, 41.0), stop(1.1), level(1.1, 1.0),
        vital(0.7), vital(1.1, 900.0), vital(1.1, patient_id="P-2"), sample(1.1, 40.0, device="pump-2"),
        sample(1.1, 40.0, status="retracted", replaces="x"),
        temperature(1.1, 38.0), temperature(1.1, 36.0, status="corrected", replaces="x"),
    ],
    ids=[
        "where the fold stands", "when something is due", "later", "out of order", "another rate", "a stop", "a fact",
        "known", "impossible", "of another", "the first of its pump", "retracted", "a fever",
        "perhaps a fever of before",
    ],
)  # fmt: skip
def test_nothing_else_is_repeated(event: InputEvent) -> None:
    found = record()
    found.receive([start(0.3, 40.0), sample(0.7, 40.0), vital(0.7)], None, never)
    assert repeated(found, event, Quiet(ms(0.5), ms(4))) is None
    assert repeated(found, vital(1.1), Quiet(ms(0.5), ms(4))) is not None
    assert repeated(found, temperature(1.1, 37.9), Quiet(ms(0.5), ms(4))) is not None


def test_a_pump_that_spoke_since_its_last_sample_repeats_nothing() -> None:
    found, quiet = record(), Quiet(ms(0.5), ms(4))
    found.receive([start(0.3, 40.0), sample(0.6, 40.0), start(0.8, 40.0)], None, never)
    assert repeated(found, sample(0.9, 40.0), quiet) is None
    found.receive([sample(0.9, 40.0)], None, never)
    assert repeated(found, sample(1.0, 40.0), quiet) is not None


def test_what_may_be_held_is_not_repeated() -> None:
    found, always = record(), Quiet(ms(-1e6), ms(1e6))
    found.receive([start(0.3, 40.0), vital(0.6)], None, never)
    assert repeated(found, vital(24 * 180), always) is not None
    assert repeated(found, vital(24 * 190), always) is None
    assert repeated(found, vital(0.2), always) is None
    found.receive([vital(-24 * 190)], None, never)
    assert repeated(found, vital(0.7), always) is None


def test_after_a_day_of_samples_the_timeline_is_to_be_built_anew() -> None:
    found = record()
    found.receive([start(0.3, 40.0), vital(0.6)], None, never)
    assert found.quiet(ms(0.5), ms(90)) == Quiet(ms(0.5), ms(90))
    found.receive([sample(0.7, 40.0)], None, never)
    assert found.quiet(ms(0.5), ms(90)) == Quiet(ms(0.5), ms(24.7))
    assert found.quiet(ms(0.5), ms(0.7)) == Quiet(ms(0.5), ms(0.5)), "something is due already"


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
