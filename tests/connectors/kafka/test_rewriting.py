"""Partitions written anew on a real broker: order, times, places of groups, and what others send meanwhile."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from connectors.kafka import rewriting
from connectors.kafka.clients import open_admin, open_consumer
from connectors.kafka.rewriting import GONE, Gone, GroupBusy, rewrite
from connectors.kafka.topics import topic_settings


@pytest.mark.parametrize("policy", ["delete", "compact"])
def test_what_stays_keeps_order_and_time_and_groups_read_on_where_they_were(
    kafka: str, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "AT_ONCE", 2)
    topic, place = (name := f"rewrite-{uuid.uuid4().hex[:8]}"), TopicPartition(name, 0)
    admin, producer = open_admin(kafka), KafkaProducer(bootstrap_servers=kafka, acks="all")
    configs = {"cleanup.policy": policy, "message.timestamp.type": "LogAppendTime"}
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1, "configs": configs}},
                        wait_for_metadata=True)  # fmt: skip

    def send(number: int) -> None:
        producer.send(topic, key=b"%d" % number, value=b"v%d" % number, partition=0).get(60)

    def records() -> list[Any]:
        return list(rewriting.read_partition(kafka, place))

    for number in range(8):
        send(number)
    before = {record.key: (record.value, record.timestamp) for record in records()}
    for group, offset, left in (("fresh", 0, ""), ("half", 4, ""), ("later", 8, "left 4,6"), ("done", 8, "")):
        member = KafkaConsumer(bootstrap_servers=kafka, group_id=f"{topic}-{group}")
        member.assign([place])
        member.commit({place: OffsetAndMetadata(offset, left, -1)})
        member.close()

    def change(record: Any) -> bytes | Gone | None:
        if record.key == b"2" and not others:
            others.append(b"8")  # somebody sends while the copy is made
            send(8)
        value: bytes = record.value
        return GONE if record.key in (b"0", b"3", b"7") else value

    others: list[bytes] = [b""]
    assert rewrite(kafka, topic, [0], lambda record: record.value)[0].gone == 0
    others.clear()
    (told,) = rewrite(kafka, topic, [0], change)
    assert (told.stayed, told.gone) == (5, 3)
    after = records()
    assert [record.key for record in after if record.key != b"8"] == [b"1", b"2", b"4", b"5", b"6"]
    assert all((r.value, r.timestamp) == before[r.key] for r in after if r.key != b"8")
    offsets = {r.key: r.offset for r in after}
    for group, unread in (("fresh", b"1"), ("half", b"4"), ("later", b"4")):
        at = admin.list_group_offsets({f"{topic}-{group}": [place]})[f"{topic}-{group}"][place].offset
        assert at <= min(offsets[unread], offsets[b"8"])
    at = admin.list_group_offsets({f"{topic}-done": [place]})[f"{topic}-done"][place].offset
    assert at <= offsets[b"8"], "it reads what came meanwhile"
    settings = topic_settings(admin, topic)
    assert {name: settings.get(name) for name in (*configs, "segment.ms", "retention.ms")} == {
        **configs, "segment.ms": None, "retention.ms": None
    }  # fmt: skip

    reader = open_consumer(kafka, group_id=f"{topic}-half")
    reader.subscribe([topic])
    try:
        while not reader.assignment():
            reader.poll(100)
        with pytest.raises(GroupBusy, match=f"{topic}-half reads now: stop it first"):
            rewrite(kafka, topic, [0], change)
    finally:
        reader.close()
        producer.close()
        admin.close()
