"""What is held of a patient is read from the state row alone, whatever the model, and a release lets it count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from pydantic import ValidationError

from streams.worker.rows.held_events import HeldEvent, held_in, release_of
from streams.worker.rows.state_row import Held, StateRow, UnreadableRow, encode_row
from tests.streams.worker.stage import START
from tests.twin import toys
from tests.twin.bedside import PATIENT, dose, sample
from tests.twin.record.held.test_holding import enrolment
from twin import PatientTwin
from twin.events import InputEvent, encode
from twin.patient.averaged import AveragedTwin
from twin.patient.rivals import rivals

YEAR = 365 * 24.0
OLD = dose(-YEAR)
KNOWN = enrolment(), dose(1)


def row_of(events: Sequence[InputEvent], *, averaged: bool = False) -> bytes:
    """The row of a patient who was told these events, by a model or by two rival ones."""
    model, rival = toys.absorption(), toys.bolus()
    twin = AveragedTwin(PATIENT, rivals([model, rival]), 32) if averaged else PatientTwin(PATIENT, model, 32)
    assert twin.observe(events).rejected == ()
    name = f"{model.id},{rival.id}" if averaged else model.id
    return encode_row(StateRow(PATIENT, name, "", (), 0, twin.row(), (), (), withheld=False))


def held(*events: InputEvent) -> list[HeldEvent]:
    return list(held_in(row_of(events)))


@pytest.mark.slow
@pytest.mark.parametrize("averaged", [False, True])
def test_a_mistyped_year_is_held_until_it_is_released(averaged: bool) -> None:
    (found,) = held_in(row_of([*KNOWN, OLD], averaged=averaged))
    told = found.patient_id, found.event_id, found.what, found.begins
    assert told == (PATIENT, OLD.event_id, "dose_given", OLD.time)
    assert "more than half a year before" in found.why
    assert found.releasable
    by_id, by_time = (
        release_of(PATIENT, START, [OLD.event_id]),
        release_of(PATIENT, START, begins=OLD.time, ends=OLD.time),
    )
    for word in (by_id, by_time):
        assert list(held_in(row_of([*KNOWN, OLD, word], averaged=averaged))) == []


@pytest.mark.slow
def test_samples_of_a_pump_without_its_clock_are_held_as_a_stretch_of_time() -> None:
    samples = [sample(-YEAR + hours, 100.0, "pump-2") for hours in (0, 1, 2)]
    (found,) = held(*KNOWN, *samples)
    assert (found.event_id, found.what, found.releasable) == ("", "reports of pump-2", True)
    assert (found.begins, found.ends) == (samples[0].time, samples[-1].time)
    assert held(*KNOWN, *samples, release_of(PATIENT, START, begins=found.begins, ends=found.ends)) == []


def test_what_waits_for_an_enrolment_is_named_and_no_release_helps() -> None:
    waiting = Held("t", 0, 7, 0, encode(OLD)), Held("t", 0, 8, 0, b"no event")
    (found,) = held_in(encode_row(StateRow(PATIENT, "", "", (), 0, b"", waiting, (), withheld=False)))
    assert (found.event_id, found.why) == (OLD.event_id, "waits for the patient's enrolment")
    assert not found.releasable


def test_nothing_is_held_of_a_record_without_fault() -> None:
    assert held(*KNOWN) == []


def test_a_damaged_row_is_refused() -> None:
    with pytest.raises(UnreadableRow):
        list(held_in(row_of(KNOWN)[:-1]))


def test_a_release_names_events_or_a_whole_stretch_of_time() -> None:
    for events, begins, ends in ([], None, None), (["x"], START, START), ([], START, None):
        with pytest.raises(ValidationError):
            release_of("A", START, events, begins, ends)
    with pytest.raises(ValidationError, match="exchange them"):
        release_of("A", START, begins=START, ends=START - timedelta(hours=1))
