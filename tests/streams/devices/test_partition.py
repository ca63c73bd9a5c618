"""Killed anywhere and however its records are cut into batches, a partition ends in the same records of patients."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.kafka.records import Record
from connectors.kafka.topics import DEVICES
from streams.devices.partition import MOST_BINDINGS, Bounds, DevicePartition, Step
from streams.devices.rows import PARTITION, BadRow
from tests.twin.devices.said import at, bound, on_the_wire, retracted, word
from twin.clock import DAY_MS
from twin.devices.words import DeviceWord, device_of
from twin.events import ClinicalEnvelope, DeviceAssociation, PumpDelivery
from twin.record.history import History

Said = DeviceWord | DeviceAssociation


DOSE = b'{"received_at": "2026-03-02T09:00:00Z", "event": {"kind": "dose_given"}}'


def record(said: Said | bytes, offset: int, days: float = 0.0, key: bytes | None = b"pump-4") -> Record:
    raw = said if isinstance(said, bytes) else on_the_wire(said)
    key = key if isinstance(said, bytes) else device_of(said).encode()
    return Record(DEVICES, 0, offset, round(days * DAY_MS), key, raw)


def records(*said: Said | bytes, days: float = 0.0, first: int = 0) -> list[Record]:
    return [record(one, first + number, days) for number, one in enumerate(said)]


class Broker:
    """The state topic, what was told to patients, and the letters, as they outlive a process."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds
        self.rows: dict[bytes, bytes] = {}
        self.histories: dict[str, History] = defaultdict(History)
        self.letters: dict[int, str] = {}
        self.contents: dict[str, str] = {}

    def start(self) -> DevicePartition:
        partition = DevicePartition(0, 1, self.bounds)
        self.tell(partition.restore(self.rows))
        return partition

    def tell(self, events: Iterable[object]) -> None:
        for event in events:
            assert isinstance(event, ClinicalEnvelope)
            said = event.model_dump_json()
            assert self.contents.setdefault(event.event_id, said) == said, "an id was told with other content"
            assert self.histories[event.patient_id].insert(event).outcome in ("new", "duplicate")

    def make_so(self, step: Step, until: str = "end") -> None:
        """All of a step, or what is done of it until a process is killed."""
        for letter in step.letters:
            assert letter.offset is not None
            self.letters[letter.offset] = letter.reason
        if until == "letters":
            return
        for key, row in step.rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
        self.tell(step.events[: len(step.events) // 2] if until == "half" else step.events if until == "end" else ())

    def delivered(self) -> set[tuple[str, float, float]]:
        """Patient, minute and rate of every word that counts at a patient."""
        return {
            (patient, (fact.time - at(0)).total_seconds() / 60, fact.rate.value)
            for patient, history in self.histories.items()
            for _, fact in history.effective()
            if isinstance(fact, PumpDelivery)
        }


def told(said: list[Record], bounds: Bounds | None = None) -> Broker:
    broker = Broker(bounds)
    broker.make_so(broker.start().take(said))
    return broker


def test_an_unbound_device_waits_and_is_told_from_its_binding_on() -> None:
    broker = Broker()
    partition = broker.start()
    broker.make_so(partition.take(records(word("early", -5), word("w", 5))))
    assert (broker.delivered(), partition.waiting, broker.letters) == (set(), 2, {})
    broker.make_so(partition.take(records(bound("A", 0), first=2)))
    assert (broker.delivered(), partition.waiting) == ({("A", 5, 4.0)}, 1)
    associated = [fact for _, fact in broker.histories["A"].effective() if isinstance(fact, DeviceAssociation)]
    assert [fact.event_id for fact in associated] == ["A binds 0"]


def test_two_patients_on_one_pump_do_not_mix_and_a_retracted_binding_moves_the_words() -> None:
    words = [word(f"w{minute}", minute, float(minute)) for minute in (5, 15)]
    assert told(records(bound("A", 0), bound("B", 10), *words)).delivered() == {("A", 5, 5.0)}
    broker = told(records(bound("A", 0), *words))
    broker.make_so(broker.start().take(records(retracted(bound("A", 0)), bound("B", 0), first=9)))
    assert broker.delivered() == {("B", 5, 5.0), ("B", 15, 15.0)}


@pytest.mark.parametrize(
    ("spoilt", "reason", "says"),
    [
        (record(b"{", 7), "malformed_json", "JSON"),
        (record(DOSE, 7), "unknown_kind", "field 'event.kind' 'dose_given'"),
        (record(on_the_wire(word("w", 5)), 7, key=None), "wrong_key", "the key of every record must be its device_id"),
        (record(on_the_wire(word("w", 5)), 7, key=b"pump-5"), "wrong_key", "field 'device_id' 'pump-4'"),
        (record(word("ok", 1, 9.0), 7), "id_conflict", "field 'event_id' 'ok': told before with other content"),
        (record(bound("B", 3, event_id="A binds 0"), 7), "id_conflict", "'A binds 0'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_put_aside_and_harms_no_other(spoilt: Record, reason: str, says: str) -> None:
    partition = DevicePartition(0, 1)
    step = partition.take([*records(bound("A", 0), word("ok", 1)), spoilt, record(word("w2", 8), 8)])
    (letter,) = step.letters
    assert (letter.reason, letter.offset, letter.topic) == (reason, 7, DEVICES)
    assert says in letter.detail
    assert base64.b64decode(letter.original_base64 or "") == spoilt.value
    assert len([event for event in step.events if isinstance(event, PumpDelivery)]) == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"device_id": None}, "field 'event.device_id': Field required"),
        ({"colour": "red"}, "field 'event.colour': Extra inputs are not permitted (got 'red')"),
        ({"rate": {"value": 4.0}}, "field 'event.rate.unit'"),
    ],
)
def test_a_bad_field_is_named_with_its_value(change: dict[str, object], field: str) -> None:
    said = json.loads(on_the_wire(word("w", 5)))
    said["event"] = {name: value for name, value in (said["event"] | change).items() if value is not None}
    (letter,) = DevicePartition(0, 1).take([record(json.dumps(said).encode(), 0)]).letters
    assert letter.reason == "invalid_event"
    assert field in letter.detail


def test_a_word_on_another_partition_is_put_aside() -> None:
    step = DevicePartition(2, 3).take([record(word("w", 5), 0)])
    assert [letter.reason for letter in step.letters] == ["wrong_partition"]
    assert step.rows == {}


def test_what_waits_too_long_or_is_too_much_is_put_aside_as_it_came_and_can_come_again() -> None:
    broker = Broker(Bounds(days=7.0, words=2))
    partition = broker.start()
    said = records(*(word(f"w{minute}", minute) for minute in range(4)))
    broker.make_so(partition.take(said))
    broker.make_so(partition.take(records(word("w4", 4), first=4, days=1.0)))
    assert broker.letters == {0: "device_unbound", 1: "device_unbound"}
    (letter,) = partition.expire(round(7.5 * DAY_MS)).letters[:1]
    assert base64.b64decode(letter.original_base64 or "") == said[2].value
    assert "field 'event.device_id' 'pump-4': bound to nobody at 'event.time' 2026-03-02T09:02" in letter.detail
    assert partition.kept == 1
    broker.make_so(partition.take([*records(bound("A", 0), first=5, days=8.0), record(word("w0", 0), 6, 8.0)]))
    assert broker.delivered() == {("A", 0, 4.0), ("A", 4, 4.0)}


def test_what_is_contested_says_by_whom() -> None:
    partition = DevicePartition(0, 1, Bounds(days=1.0))
    partition.take(records(bound("A", 0), bound("B", 0), word("w", 5)))
    (letter,) = partition.expire(2 * DAY_MS).letters
    assert "bound to A and B at once" in letter.detail


def test_a_device_of_which_nothing_is_left_is_forgotten() -> None:
    broker = Broker(Bounds(days=1.0))
    partition = broker.start()
    broker.make_so(partition.take(records(word("w", 5))))
    broker.make_so(partition.expire(2 * DAY_MS))
    assert set(broker.rows) == {PARTITION}


def test_bindings_without_end_are_refused_by_name() -> None:
    said = [bound("A", minute, event_id=f"b{minute}") for minute in range(MOST_BINDINGS + 1)]
    step = DevicePartition(0, 1).take(records(*said))
    assert [(letter.reason, letter.offset) for letter in step.letters] == [("too_many_bindings", MOST_BINDINGS)]


@pytest.mark.parametrize("row", [b"{", b"{}", b'{"raw": 5, "offset": 1, "arrived_ms": 1, "batch": "x", "told": {}}'])
def test_a_row_that_cannot_be_read_is_named_and_not_taken_as_none(row: bytes) -> None:
    for key in (PARTITION, b'["word","pump-4","w"]', b'["clock","pump-4"]', b"no key"):
        with pytest.raises(BadRow):
            DevicePartition(0, 1).restore({key: row})


def test_bounds_without_room_are_refused() -> None:
    with pytest.raises(ValueError, match=r"days 0: "):
        Bounds(days=0)
    with pytest.raises(ValueError, match=r"words 0: "):
        Bounds(words=0)


BINDINGS = [bound("A", 0), bound("B", 10), bound("A", 12, False), bound("B", 25, False), bound("A", 30)]
WORDS = [word(f"w{m}", m, 1.0 + m % 3, off=-60 if m > 20 else 0, phase="sample") for m in range(1, 36, 2)]
OTHERS = [word(f"o{m}", m, 7.0, device_id="pump-7") for m in (3, 8)] + [bound("C", 0, device_id="pump-7")]
SAID: list[Said | bytes] = [*BINDINGS, *map(retracted, BINDINGS[:3]), *WORDS, *OTHERS, b"{"]


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.sampled_from(SAID), max_size=30), st.data())
def test_killed_anywhere_it_ends_as_if_it_had_run_undisturbed(said: list[Said | bytes], given_: st.DataObject) -> None:
    calm, killed, ways = told(records(*said)), Broker(), st.sampled_from(["letters", "rows", "half", "end", "end"])
    read, partition = 0, killed.start()
    kills = 0
    while read < len(said):
        batch = records(*said)[read : read + given_.draw(st.integers(1, 8))]
        until = given_.draw(ways) if kills < 10 else "end"
        killed.make_so(partition.take(batch), until)
        if until != "end" or (kills < 10 and given_.draw(st.booleans())):
            kills += 1
            partition = killed.start()  # killed before, or after, all was told; its offsets are not committed
            continue
        read += len(batch)
    assert killed.delivered() == calm.delivered()
    assert killed.letters == calm.letters
    assert killed.start().waiting == calm.start().waiting
