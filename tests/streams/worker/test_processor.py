from __future__ import annotations

import base64
import gc
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.engine import KafkaRecord
from streams.worker.processor import WAITING_ROOM, WAITING_ROOM_BYTES, EventProcessor, Outcome
from streams.worker.records.bursts import FIRST_MS
from streams.worker.records.received import ReceivedEvent
from streams.worker.rows.patient_state import PatientState
from streams.worker.rows.state_row import decode_row
from tests.streams.worker.fake_twin import MODEL, FakeTwin, FakeTwins
from tests.streams.worker.stage import START, enrolment, lab, pump
from twin.events import InputEvent, Rejected, decode, encode, to_millis

NOW = to_millis(START)


class Feed:
    """Gives events consecutive offsets of one topic."""

    def __init__(self) -> None:
        self.offset = -1

    def __call__(self, *events: InputEvent, at: int = 0) -> list[ReceivedEvent]:
        return [ReceivedEvent(event, self._next(event, at)) for event in events]

    def _next(self, event: InputEvent, at: int) -> KafkaRecord:
        self.offset += 1
        return KafkaRecord("t", 0, self.offset, NOW + at, event.patient_id.encode(), encode(event))


def enrolled(processor: EventProcessor, feed: Feed, patient: str = "A") -> PatientState:
    state = processor.open(patient, None)
    processor.handle(state, feed(enrolment(patient)))
    return state


def reasons(outcome: Outcome) -> list[str]:
    return [letter.reason for letter in outcome.rejected]


def belief(state: PatientState) -> str:
    assert isinstance(state.twin, FakeTwin)
    return state.twin.digest()


# --- reading ---------------------------------------------------------------------------------------------------------


def read(raw: bytes, key: bytes | None = b"A", timestamp: int = NOW) -> ReceivedEvent | Rejected:
    return EventProcessor(FakeTwins()).read(KafkaRecord("iomt.pump", 3, 17, timestamp, key, raw))


def fields(**changes: Any) -> bytes:
    return json.dumps({**json.loads(encode(pump("A", 0))), **changes}).encode()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "malformed_json"),
        (b"{not json", "malformed_json"),
        (b"\xff\xfe\x00", "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b"17", "invalid_event"),
        (fields(kind="poke"), "unknown_kind"),
        (fields(rate={"value": float("nan"), "unit": "mg/h"}), "invalid_event"),
        (fields(rate={"value": "4", "unit": "mg/h"}), "invalid_event"),
        (fields(time="yesterday"), "invalid_event"),
        (fields(time="2026-01-05T08:00:00"), "invalid_event"),
        (fields(patient_id="Jane Doe"), "invalid_event"),
        (fields(surprise=1), "invalid_event"),
        (fields(device_id="x" * 2 * 1024 * 1024), "too_large"),
    ],
)
def test_what_is_no_event_is_rejected_with_its_reason_bytes_and_place(raw: bytes, reason: str) -> None:
    letter = read(raw)
    assert isinstance(letter, Rejected)
    assert letter.reason == reason
    assert (letter.topic, letter.partition, letter.offset) == ("iomt.pump", 3, 17)
    assert base64.b64decode(letter.original_base64 or "") == raw


@pytest.mark.parametrize("key", [None, b"", b"B", b"\xff"])
def test_a_record_whose_key_is_not_its_patient_is_rejected(key: bytes | None) -> None:
    letter = read(encode(pump("A", 0)), key)
    assert isinstance(letter, Rejected)
    assert letter.reason == "wrong_key"
    assert "patient_id" in letter.detail


def test_a_time_in_the_far_future_is_rejected_and_one_of_tomorrow_is_not() -> None:
    event = pump("A", 0)
    assert isinstance(read(encode(event), timestamp=NOW - 23 * 3_600_000), ReceivedEvent)
    letter = read(encode(event), timestamp=NOW - 25 * 3_600_000)
    assert isinstance(letter, Rejected)
    assert letter.reason == "far_future"
    assert "25.0 h after the record's own time" in letter.detail


def test_the_tolerance_for_the_future_is_a_setting() -> None:
    processor = EventProcessor(FakeTwins(), far_future_hours=1000.0)
    assert isinstance(
        processor.read(KafkaRecord("t", 0, 0, NOW - 900 * 3_600_000, b"A", encode(pump("A", 0)))), ReceivedEvent
    )


# --- before the enrolment ---------------------------------------------------------------------------------------------


def test_events_before_the_enrolment_wait_and_then_count() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    early, waiting = processor.open("A", None), processor.open("A", None)
    events = [lab("A", 3), lab("A", 1), pump("A", 2)]
    assert processor.handle(waiting, feed(*events)) == Outcome()
    assert processor.handle(waiting, feed(enrolment("A"))).outputs
    processor.handle(early, Feed()(enrolment("A"), *events))
    assert belief(waiting) == belief(early)
    assert waiting.held == []


def test_the_waiting_room_survives_in_the_row() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = processor.open("A", None)
    processor.handle(state, feed(lab("A", 1), pump("A", 2)))
    again = processor.open("A", processor.row(state))
    processor.handle(state, arrivals := feed(enrolment("A")))
    processor.handle(again, arrivals)
    assert belief(again) == belief(state)
    assert processor.row(again) == processor.row(state)


def test_a_full_waiting_room_rejects_what_comes_then() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = processor.open("A", None)
    outcome = processor.handle(state, feed(*(pump("A", minute) for minute in range(WAITING_ROOM + 3))))
    assert reasons(outcome) == ["unknown_patient"] * 3
    assert "send an 'enrolment' first" in outcome.rejected[0].detail
    assert len(state.held) == WAITING_ROOM


def test_the_waiting_room_is_bounded_in_bytes_too() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = processor.open("A", None)
    (arrival,) = feed(pump("A", 1))
    longer = arrival.record._replace(value=arrival.raw + b" " * WAITING_ROOM_BYTES)
    outcome = processor.handle(state, [ReceivedEvent(arrival.event, longer)])
    assert reasons(outcome) == ["unknown_patient"]


def test_an_unknown_model_is_rejected_and_a_known_one_may_follow() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = processor.open("A", None)
    outcome = processor.handle(state, feed(lab("A", 1), enrolment("A", model="unheard_of"), enrolment("A")))
    assert reasons(outcome) == ["unknown_model"]
    assert "unheard_of" in outcome.rejected[0].detail
    assert state.model_id == MODEL
    assert len(outcome.outputs) == 2


def test_another_model_for_an_enrolled_patient_is_rejected() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = enrolled(processor, feed)
    before = belief(state)
    assert reasons(processor.handle(state, feed(enrolment("A", model="other")))) == ["already_enrolled"]
    assert belief(state) == before


# --- with a twin ------------------------------------------------------------------------------------------------------


def test_offsets_already_applied_are_skipped() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = enrolled(processor, feed)
    arrivals = feed(lab("A", 1), lab("A", 2))
    processor.handle(state, arrivals)
    again = processor.open("A", processor.row(state))
    assert processor.handle(again, arrivals) == Outcome()
    assert belief(again) == belief(state)


def test_the_twins_own_refusals_get_place_and_bytes() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = enrolled(processor, feed)
    good, bad, other = feed(lab("A", 1), lab("A", 2, unit="bananas"), lab("A", 3))
    outcome = processor.handle(state, [good, bad, other])
    (letter,) = outcome.rejected
    assert (letter.reason, letter.offset) == ("unknown_unit", bad.record.offset)
    assert decode(base64.b64decode(letter.original_base64 or "")) == bad.event
    assert len(outcome.outputs) == 2


def test_the_same_id_with_other_content_is_told_apart_in_one_batch() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = enrolled(processor, feed)
    first, same, other = feed(lab("A", 1, value=1.0), lab("A", 1, value=1.0), lab("A", 1, value=2.0))
    outcome = processor.handle(state, [first, same, other])
    assert [(letter.reason, letter.offset) for letter in outcome.rejected] == [
        ("conflicting_duplicate", other.record.offset)
    ]
    assert len(outcome.outputs) == 1


def test_an_exception_costs_its_event_only() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    hurt, calm = enrolled(processor, feed), enrolled(processor, Feed())
    good = [lab("A", minute) for minute in (1, 2, 4, 5)]
    processor.handle(hurt, feed(good[0]))
    bomb = pump("A", 3, drug="explosive")
    outcome = processor.handle(hurt, feed(good[1], bomb, *good[2:]))
    processor.handle(calm, Feed()(enrolment("A"), *good)[1:])
    (letter,) = outcome.rejected
    assert letter.reason == "internal_error"
    assert letter.event_id == bomb.event_id
    assert "ZeroDivisionError" in letter.detail
    assert belief(hurt) == belief(calm)
    assert len(outcome.outputs) == 3


def test_an_exception_after_a_row_goes_back_to_the_row_and_what_followed() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = enrolled(processor, feed)
    processor.handle(state, feed(lab("A", 1)))
    processor.row(state)
    processor.handle(state, feed(lab("A", 2)))
    before = belief(state)
    assert reasons(processor.handle(state, feed(pump("A", 3, drug="explosive")))) == ["internal_error"]
    assert belief(state) == before


@pytest.mark.slow
def test_what_was_observed_since_the_row_is_no_work_for_the_garbage_collector() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = enrolled(processor, feed)
    processor.row(state)
    arrivals = feed(*(pump("A", minute) for minute in range(500)))
    gc.collect()
    before = len(gc.get_objects())
    for arrival in arrivals[:250]:
        assert processor.take(state, arrival, level=True)
    processor.handle(state, arrivals[250:])
    arrivals.clear()
    gc.collect()
    assert len(gc.get_objects()) - before < 500, "an event as an object is eight"


def test_alerts_wait_in_the_outbox_and_not_among_the_outputs() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = enrolled(processor, feed)
    outcome = processor.handle(state, feed(lab("A", 1, value=0.1)))
    assert len(outcome.alerts) == len(state.outbox) == 1
    assert [output.topic for output in outcome.outputs] == ["twin.estimates"]
    assert decode_row(processor.row(state)).outbox == tuple(state.outbox)


class Listening(FakeTwins):
    """Twins that note how the events came to them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[int]] = []

    def __call__(self, model_id: str, patient_id: str) -> FakeTwin:
        twin = super().__call__(model_id, patient_id)
        observe = twin.observe

        def noted(events: Any, *, level: bool) -> Any:
            self.calls.append([round((event.time - START) / timedelta(minutes=1)) for event in events])
            return observe(events, level=level)

        twin.observe = noted  # type: ignore[method-assign]
        return twin


def test_events_in_order_are_observed_together_and_late_ones_alone() -> None:
    twins = Listening()
    processor, feed = EventProcessor(twins), Feed()
    state = enrolled(processor, feed)
    processor.handle(state, feed(*(pump("A", minute) for minute in (1, 2, 5, 3, 4, 6, 7))))
    assert twins.calls == [[0], [1, 2, 5], [3], [4], [6, 7]]


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 900)), max_size=14), st.data())
def test_how_arrivals_are_cut_into_calls_changes_neither_outputs_nor_row(
    told: list[tuple[int, bool, int]], data: st.DataObject
) -> None:
    processor, feed, after = EventProcessor(FakeTwins()), Feed(), 0
    arrivals = feed(enrolment("A"), lab("A", 7))
    for minute, is_result, later in told:
        after += later
        event = lab("A", minute, value=0.1 + minute / 10) if is_result else pump("A", minute)
        arrivals += feed(event, at=after)
    whole, parts = processor.open("A", None), processor.open("A", None)
    together = processor.handle(whole, arrivals)
    apart = Outcome()
    while arrivals:
        count = data.draw(st.integers(1, len(arrivals)))
        some = processor.handle(parts, arrivals[:count])
        apart.outputs += some.outputs
        apart.rejected += some.rejected
        arrivals = arrivals[count:]
        if data.draw(st.booleans()):
            parts = processor.open("A", processor.row(parts))
    assert (apart.outputs, apart.rejected) == (together.outputs, together.rejected)
    assert processor.row(parts) == processor.row(whole)
    for state in (whole, parts):
        processor.end_burst(state, Outcome())
    assert processor.row(parts) == processor.row(whole)
    assert whole.burst.waiting == []


# --- late ones together -----------------------------------------------------------------------------------------------


def test_a_thousand_late_results_of_one_moment_cost_two_folds() -> None:
    twins = Listening()
    processor, feed = EventProcessor(twins), Feed()
    state = enrolled(processor, feed)
    late = [lab("A", minute / 20, number=minute) for minute in range(1, 1000)]
    processor.handle(state, [*feed(lab("A", 90)), *feed(*late, at=5)])
    assert [len(call) for call in twins.calls] == [1, 1, 1]
    assert processor.handle(state, feed(pump("A", 91), at=5 + FIRST_MS)).waited
    assert [len(call) for call in twins.calls] == [1, 1, 1, 998, 1]
    assert state.applied[("t", 0)] == feed.offset


def test_two_words_on_one_fact_in_one_burst_are_told_apart() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = enrolled(processor, feed)
    processor.handle(state, feed(lab("A", 9), lab("A", 1)))
    _, other = arrivals = feed(lab("A", 2, value=1.0), lab("A", 2, value=2.0))
    processor.handle(state, arrivals)
    outcome = Outcome()
    processor.end_burst(state, outcome)
    assert [(letter.reason, letter.offset) for letter in outcome.rejected] == [
        ("conflicting_duplicate", other.record.offset)
    ]


def test_of_a_burst_that_a_twin_fails_on_only_the_faulty_event_is_lost() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state, calm = enrolled(processor, feed), enrolled(processor, Feed())
    good = [lab("A", minute) for minute in range(1, 9)]
    bomb = lab("A", 4.5).model_copy(update={"analyte": "explosive"})
    processor.handle(state, feed(lab("A", 30), lab("A", 0.5)))
    processor.handle(state, feed(*good[:4], bomb, *good[4:]))
    assert len(state.burst.waiting) == 9
    outcome = Outcome()
    processor.end_burst(state, outcome)
    assert reasons(outcome) == ["internal_error"]
    assert outcome.rejected[0].event_id == bomb.event_id
    processor.handle(calm, Feed()(enrolment("A"), lab("A", 30), lab("A", 0.5), *good)[1:])
    processor.end_burst(calm, Outcome())
    assert belief(state) == belief(calm)


# --- readings taken at once ------------------------------------------------------------------------------------------


def test_what_is_taken_at_once_ends_in_the_row_of_what_is_handled() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    arrivals = feed(enrolment("A"), pump("A", 1), pump("A", 2))
    taking, handling = processor.open("A", None), processor.open("A", None)
    processor.handle(handling, arrivals)
    assert not processor.take(taking, arrivals[0], level=True), "it has no twin yet"
    processor.handle(taking, arrivals[:1])
    assert [processor.take(taking, arrival, level=True) for arrival in arrivals[1:]] == [True, True]
    assert not processor.take(taking, arrivals[2], level=True), "the twin contains it"
    assert processor.row(taking) == processor.row(handling)


def test_a_twin_that_fails_on_what_it_takes_is_back_where_it_was() -> None:
    processor, feed = EventProcessor(FakeTwins()), Feed()
    state = enrolled(processor, feed)
    sound, bomb = feed(pump("A", 1), pump("A", 2, drug="explosive"))
    assert processor.take(state, sound, level=True)
    before = belief(state)
    assert not processor.take(state, bomb, level=True)
    assert belief(state) == before
    assert reasons(processor.handle(state, [bomb])) == ["internal_error"]
    assert belief(state) == before
