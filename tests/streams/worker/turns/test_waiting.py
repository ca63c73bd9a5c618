"""A flood of one patient neither fills the room of the others nor the memory."""

from __future__ import annotations

import asyncio

from streams.worker.turns.waiting import MOST, MOST_BYTES, PATIENT_BYTES, SHARE, WaitingRecords


async def test_reading_pauses_while_many_patients_wait_and_goes_on_when_one_is_done() -> None:
    waiting = WaitingRecords()
    for number in range(MOST):
        assert not waiting.is_full
        waiting.add(f"P{number}", 0, 100)
    assert waiting.is_full
    room = asyncio.create_task(waiting.room())
    await asyncio.sleep(0)
    assert not room.done()
    waiting.remove("P7", 0, 1, 100)
    await asyncio.wait_for(room, 1.0)
    assert len(waiting) == MOST - 1


def test_a_flood_of_one_patient_counts_no_more_than_its_share() -> None:
    waiting = WaitingRecords()
    for _ in range(5 * MOST):
        waiting.add("FLOOD", 3, 100)
    for number in range(MOST - SHARE - 1):
        waiting.add(f"P{number}", 0, 100)
    assert not waiting.is_full
    waiting.add("one more", 0, 100)
    assert waiting.is_full
    waiting.remove("FLOOD", 3, 5 * MOST - 2, 100 * (5 * MOST - 2))
    assert not waiting.is_full
    assert len(waiting) == MOST - SHARE + 2


def test_a_patient_with_too_many_bytes_lets_its_partition_rest_and_no_other() -> None:
    waiting = WaitingRecords()
    waiting.add("FLOOD", 3, PATIENT_BYTES - 1)
    waiting.add("other", 3, PATIENT_BYTES - 1)
    assert waiting.resting == set()
    waiting.add("FLOOD", 3, 1)
    assert waiting.resting == {3}
    assert not waiting.is_full
    waiting.remove("FLOOD", 3, 1, 1)
    assert waiting.resting == set()


def test_reading_pauses_at_so_many_bytes_in_all() -> None:
    waiting = WaitingRecords()
    patients = 2 * MOST_BYTES // PATIENT_BYTES
    for number in range(patients):
        waiting.add(f"P{number}", number, PATIENT_BYTES // 2)
    assert waiting.is_full
    waiting.clear()
    assert not waiting.is_full
    assert len(waiting) == 0
