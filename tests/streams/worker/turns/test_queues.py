"""A patient's queue: first come, first served, and a flood waits as bytes."""

from __future__ import annotations

from streams.worker.engine import KafkaRecord
from streams.worker.records.received import ReceivedEvent, size_of
from streams.worker.turns.queues import DECODED, PatientQueue
from tests.streams.worker.stage import lab
from twin.events import encode


def arrivals(count: int) -> list[ReceivedEvent]:
    events = [lab("P-1", minute) for minute in range(count)]
    return [ReceivedEvent(e, KafkaRecord("labs", 0, n, n, None, encode(e))) for n, e in enumerate(events)]


def test_what_waits_longest_comes_first_and_is_what_was_received() -> None:
    queue, received = PatientQueue("P-1", 0), arrivals(3 * DECODED)
    for arrival in received:
        queue.wait(arrival)
    taken: list[ReceivedEvent] = []
    while queue.pending:
        batch = queue.next(50)
        assert 0 < len(batch) <= 50
        taken += batch
    assert taken == received
    assert queue.next(50) == []


def test_of_a_flood_the_first_alone_stay_decoded() -> None:
    queue, received = PatientQueue("P-1", 0), arrivals(DECODED + 5)
    for arrival in received:
        queue.wait(arrival)
    assert [isinstance(each, ReceivedEvent) for each in queue.pending] == [True] * DECODED + [False] * 5
    assert [size_of(each) for each in queue.pending] == [len(each.raw) for each in received]
