"""A pump's alarm is part of a patient's record and says no rate: nothing of a belief moves by it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from pydantic import ValidationError

from tests.twin import toys
from tests.twin.bedside import PATIENT, alarm, level, start, stop
from twin import PatientTwin
from twin.events import InputEvent, decode, encode

MODEL = toys.absorption()
STORY: list[InputEvent] = [start(0.0), level(1.0, 1.2), stop(3.0), level(5.0, 0.8)]


def told(*groups: Sequence[InputEvent]) -> PatientTwin:
    twin = PatientTwin(PATIENT, MODEL, 24)
    for group in groups:
        assert twin.observe(group).rejected == ()
    return twin


def believed(twin: PatientTwin) -> tuple[bytes, bytes, float]:
    return twin.belief.eta.tobytes(), twin.belief.log_weight.tobytes(), twin.belief.log_evidence


def test_an_alarm_moves_nothing() -> None:
    alarmed = told([*STORY, alarm(2.0), alarm(2.5, phase="end", event_id="end")])
    assert believed(alarmed) == believed(told(STORY))


def test_an_alarm_ends_in_the_same_belief_in_any_order_and_after_a_restart() -> None:
    events = [*STORY[:2], alarm(2.0), alarm(2.0, status="corrected", replaces="alarm pump-1 2", event_id="again")]
    twins = [told(*([event] for event in order)) for order in permutations(events)]
    assert {believed(twin) for twin in twins} == {believed(told(STORY[:2]))}
    row = twins[0].row()
    again = PatientTwin.from_row(row, MODEL)
    assert again.observe(events).rejected == ()
    assert (again.row(), believed(again)) == (row, believed(twins[0]))


def test_an_alarm_alone_says_nothing_of_a_patient_and_is_known_when_it_comes_again() -> None:
    twin = told([alarm(2.0)])
    assert twin.observe([alarm(2.0)]).rejected == ()
    changed = twin.observe([alarm(2.0, priority="low")])
    assert [one.reason for one in changed.rejected] == ["id_conflict"]


def test_an_alarm_goes_over_the_wire_as_it_is() -> None:
    event = alarm(2.0, priority="high")
    assert decode(encode(event)) == event


@pytest.mark.parametrize(
    "change", [{"phase": "perhaps"}, {"priority": "red"}, {"condition": ""}, {"device_id": "x" * 65}, {"rate": 3.0}]
)
def test_an_alarm_that_says_what_alarms_do_not_say_is_none(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        alarm(2.0, **change)
