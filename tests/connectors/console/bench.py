"""A sink at work on servers of a test's own: a Kafka prefix, an InfluxDB bucket, and hands to use them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from connectors.kafka.topics import REJECTED, ensure_topics, topic_of
from connectors.services import Influx
from connectors.settings import Settings
from connectors.sinks.delivery import Delivery, consumer_group, open_delivery
from connectors.sinks.influx import CALL_TIMEOUT_MS, TOPICS, InfluxWriter
from connectors.sinks.influx import Settings as InfluxSettings
from twin.events import Rejected, encode

PATIENCE = 90.0
"""Seconds that a test waits for what must happen."""


class Bench:
    """A Kafka prefix and an InfluxDB bucket of a test's own, and hands to use them."""

    def __init__(self, kafka: str, influx: Influx) -> None:
        name = uuid.uuid4().hex[:10]
        self.influx = replace(influx, bucket=f"sink-{name}")
        with self.client() as client:
            client.buckets_api().create_bucket(bucket_name=self.influx.bucket, org=influx.org)
        self.settings = Settings(
            kafka=kafka,
            topic_prefix=f"t{name}-",
            partitions=2,
        )
        self.to_influx = InfluxSettings(url=influx.url, token=influx.token, org=influx.org, bucket=self.influx.bucket)
        ensure_topics(kafka, self.settings.topic_prefix, self.settings.partitions)
        self._producer = KafkaProducer(bootstrap_servers=kafka, acks="all")

    def close(self) -> None:
        self._producer.close()

    def client(self) -> InfluxDBClient:
        return InfluxDBClient(url=self.influx.url, token=self.influx.token, org=self.influx.org)

    def topic(self, name: str) -> str:
        return self.settings.topic_prefix + name

    @property
    def group(self) -> str:
        """The sink's consumer group."""
        return consumer_group("influx", self.settings.topic_prefix)

    def send(self, *events: Any) -> None:
        """Publish events where they belong, in order."""
        for event in events:
            topic = topic_of(event, self.settings.topic_prefix)
            self._producer.send(topic, key=(event.patient_id or "").encode(), value=encode(event))
        self._producer.flush()

    def send_bytes(self, topic: str, value: bytes, key: bytes = b"P-1") -> None:
        self._producer.send(self.topic(topic), key=key, value=value)
        self._producer.flush()

    def committed(self) -> int:
        """Records that the sink's group has committed, over all topics."""
        admin = KafkaAdminClient(bootstrap_servers=self.settings.kafka)
        try:
            groups = admin.list_group_offsets([self.group])
        finally:
            admin.close()
        offsets = groups[self.group] if isinstance(groups, dict) else groups
        return sum(max(0, position.offset) for position in offsets.values())

    def rows(self, measurement: str, patient: str, by: str = "") -> list[dict[str, Any]]:
        """The stored points of one patient, or of another value of tag ``by``, fields as columns, in order of time."""
        field = by or ("patient" if measurement != "rejected" else "topic")
        flux = f"""from(bucket: "{self.influx.bucket}")
            |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)
            |> filter(fn: (r) => r._measurement == "{measurement}" and r.{field} == "{patient}")
            |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
            |> group() |> sort(columns: ["_time"])"""
        with self.client() as client:
            return [record.values for table in client.query_api().query(flux) for record in table.records]

    def dead_letters(self) -> list[Rejected]:
        """The dead letters published so far that are dead letters."""
        topic = self.topic(REJECTED)
        consumer = KafkaConsumer(bootstrap_servers=self.settings.kafka, auto_offset_reset="earliest")
        try:
            partitions = [TopicPartition(topic, number) for number in range(self.settings.partitions)]
            consumer.assign(partitions)
            ends = consumer.end_offsets(partitions)
            letters = []
            while any(consumer.position(partition) < end for partition, end in ends.items()):
                for batch in consumer.poll(timeout_ms=200).values():
                    letters += [Rejected.model_validate_json(r.value) for r in batch if r.value.startswith(b"{")]
            return letters
        finally:
            consumer.close()


@contextmanager
def running(bench: Bench, timeout_ms: int = CALL_TIMEOUT_MS, **to_influx: str) -> Iterator[Delivery[str]]:
    """A sink at work in a thread, stopped at the end; an error in it fails the test. ``to_influx`` changes settings."""
    stop, errors = threading.Event(), []

    def work(sink: Delivery[str]) -> None:
        try:
            sink.run(stop)
        except BaseException as error:
            errors.append(error)

    its = bench.to_influx.model_copy(update=to_influx)
    writer = InfluxWriter(its, timeout_ms)
    with closing(writer), open_delivery("influx", TOPICS, writer, bench.settings) as sink:
        thread = threading.Thread(target=work, args=(sink,))
        thread.start()
        try:
            yield sink
        finally:
            stop.set()
            thread.join(PATIENCE)
            assert not thread.is_alive()
    assert not errors, errors


def eventually(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "did not happen"
        time.sleep(0.05)
