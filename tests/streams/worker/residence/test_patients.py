"""Who is known, who is resident, and who has something to come."""

from __future__ import annotations

from streams.worker.residence.patients import Patients
from streams.worker.rows.patient_state import PatientState


def test_a_queue_stays_when_its_twin_leaves() -> None:
    patients = Patients()
    queue = patients.of("A", 3)
    assert patients.of("A", 3) is queue
    assert (len(patients), patients.resident) == (1, 0)
    queue.state = PatientState("A")
    patients.enter(queue)
    assert list(patients.residents(3)) == list(patients.all_residents()) == [queue]
    assert list(patients.residents(0)) == []
    patients.leave(queue)
    assert queue.state is None
    assert (len(patients), patients.resident) == (1, 0)
    assert patients.find("A") is queue


def test_what_is_to_come_by_itself_is_known_as_long_as_it_is_to_come() -> None:
    patients = Patients()
    for patient_id in "BA":
        queue = patients.of(patient_id, 0)
        queue.state = PatientState(patient_id, withheld=True)
        patients.remember(queue)
    assert [queue.patient_id for queue in patients.with_withheld()] == ["A", "B"]
    first = patients.of("A", 0)
    assert first.state is not None
    first.state.withheld = False
    patients.remember(first)
    assert [queue.patient_id for queue in patients.with_withheld()] == ["B"]
    assert patients.with_bursts() == []
    patients.clear()
    assert (len(patients), patients.withheld) == (0, set())
