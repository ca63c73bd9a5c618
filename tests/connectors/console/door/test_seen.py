"""The ward as one visitor sees it."""

from __future__ import annotations

import time

import pytest

from connectors.access.roles import WHOEVER, Who
from connectors.console.board import UnknownPatient
from connectors.console.door.seen import Seen
from connectors.console.topic_reader import LiveBoard
from tests import factories as make
from twin.events import Heartbeat, Rejected

NURSE, ENGINEER = Who("nurse-7", "clinician", ("P-1", "P-2")), Who("engineer-2", "engineer", ("P-3",))


def refused(patient_id: str | None, offset: int) -> Rejected:
    return Rejected.example().model_copy(update={"patient_id": patient_id, "offset": offset})


def test_what_was_refused_is_told_to_whom_it_concerns_and_the_rest_to_who_mends_it(live: LiveBoard) -> None:
    live.fold([refused(patient, offset) for offset, patient in enumerate(("P-1", "P-3", None))])
    seen = {}
    for who in (WHOEVER, NURSE, ENGINEER):
        letters = Seen(live, who).ward().refused
        assert letters is not None
        seen[who.name] = {letter.patient_id for letter in letters}
    assert seen == {"": {"P-1", "P-3", None}, "nurse-7": {"P-1"}, "engineer-2": {"P-3", None}}


def test_a_patient_of_others_is_as_one_of_whom_nothing_is_known(live: LiveBoard) -> None:
    seen = Seen(live, NURSE)
    assert seen.patient("P-1").row.id == "P-1"
    for patient in ("P-3", "P-9"):
        with pytest.raises(UnknownPatient):
            seen.patient(patient)
        assert seen.near(patient) in ("P-1", "P-2")
    assert not seen.wants(make.alert("P-3"))
    assert len(seen) == 2


def test_no_pulse_names_a_patient_of_others(live: LiveBoard) -> None:
    sealed = Heartbeat.example().model_copy(
        update={"state": "live", "partition": 0, "partitions": 1, "sealed": {"P-3": "degenerate"}}
    )
    live.hear(sealed, time.monotonic())
    assert "P-3" in Seen(live, ENGINEER).pulse().text
    assert Seen(live, ENGINEER).pulse("P-3").level == 3
    for pulse in (Seen(live, NURSE).pulse(), Seen(live, NURSE).pulse("P-3")):
        assert (pulse.level, pulse.text) == (0, "")


def test_those_who_see_the_same_share_what_is_encoded(live: LiveBoard) -> None:
    other = Who("nurse-8", "clinician", NURSE.patients)
    assert Seen(live, NURSE).share == Seen(live, other).share
    assert Seen(live, NURSE).share != Seen(live, ENGINEER).share
