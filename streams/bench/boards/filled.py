"""A month of a ward in InfluxDB, as the sinks write it.

A few patients are followed by twins of their own; all others are theirs under other names: what a query costs depends
on how many series and points there are, and not on what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

from connectors.kafka.group_lags import GroupLag
from connectors.kafka.records import Record
from connectors.kafka.topics import HEARTBEATS, REJECTED, topic_of
from connectors.services.influxdb import Influx
from connectors.sinks import influx as to_influx
from connectors.sinks import operations
from streams.bench.patients import BEGIN, ward_courses
from streams.bench.stream import BenchmarkFailed
from streams.bench.twin import days
from twin import PatientTwin
from twin.events import Heartbeat, InputEvent, OutputEvent, Rejected, encode, to_millis

FOLLOWED = 4
"""Patients who have a twin of their own here: two of each model of the ward."""

PARTITIONS, SINKS, REFUSED_A_DAY = 4, ("influx", "operations", "webhook"), 20

LINES_A_CALL = 5_000

FILL_SECONDS = 1_800.0
"""For writing a month of 200 patients: 7 million points, of which InfluxDB takes some 50,000 a second."""

Progress = Callable[[int], object]
"""Takes how many patients are written."""


@contextmanager
def filled(influx: Influx, size: int, length: int, particles: int, progress: Progress) -> Iterator[Influx]:
    """A bucket with ``length`` days of ``size`` patients for the length of the block."""
    ours = replace(influx, bucket="dosetwin-bench-boards")
    with ours.client(60_000) as client:
        api = client.buckets_api()
        if left := api.find_bucket_by_name(ours.bucket):
            api.delete_bucket(left)
        bucket = api.create_bucket(bucket_name=ours.bucket, org=ours.org)
        try:
            settings = to_influx.Settings(
                url=ours.url, token=ours.token, org=ours.org, bucket=ours.bucket, ca=Path(ours.ca) if ours.ca else None
            )
            _write(settings, size, length, particles, progress)
            yield ours
        finally:
            api.delete_bucket(bucket)


def _write(settings: to_influx.Settings, size: int, length: int, particles: int, progress: Progress) -> None:
    until = monotonic() + FILL_SECONDS
    with closing(to_influx.InfluxWriter(settings, timeout_ms=120_000)) as writer:
        apart, done = min(size, FOLLOWED), 0
        for first, (name, lines) in enumerate(_followed(writer, apart, length, particles)):
            for number in range(first, size, apart):
                # An alert's id names its patient, and must not be that of another.
                whose = f'alert_id="{number:04}-'
                if monotonic() > until:
                    raise BenchmarkFailed(
                        f"{done} of {size} patients were written in {FILL_SECONDS:g} s: InfluxDB is slow"
                    )
                for begin in range(0, len(lines), LINES_A_CALL):
                    text = "\n".join(lines[begin : begin + LINES_A_CALL])
                    writer.write([text.replace(name, f"W-{number:04}").replace('alert_id="', whose)])
                done += 1
                progress(done)
        for day in range(length):
            refused = [line for record in _refusals(day) for line in writer.items(record)]
            writer.write(refused)
    with closing(operations.OperationsWriter(settings, timeout_ms=120_000)) as writer:
        for day in range(length):
            writer.write(list(_beats(writer, day)))


def _followed(
    writer: to_influx.InfluxWriter, size: int, length: int, particles: int
) -> Iterator[tuple[str, list[str]]]:
    """A patient's name, and all lines of what is said of the patient and by the twin."""
    for patient_id, model, events in ward_courses(size, float(length)):
        twin = PatientTwin(patient_id, model, particles)
        said: list[InputEvent | OutputEvent] = list(events)
        for hours in days(events):
            said += twin.observe(hours).outputs
        lines: list[str] = []
        for offset, event in enumerate(said):
            record = Record(topic_of(type(event)), 0, offset, to_millis(event.time), None, encode(event))
            lines += writer.items(record)
        yield patient_id, lines


def _refusals(day: int) -> Iterator[Record]:
    for number in range(REFUSED_A_DAY):
        offset, arrived = day * REFUSED_A_DAY + number, BEGIN + timedelta(days=day, hours=number)
        letter = Rejected.example().model_copy(update={"offset": offset})
        yield Record(REJECTED, offset % PARTITIONS, offset, to_millis(arrived), None, encode(letter))


def _beats(writer: operations.OperationsWriter, day: int) -> Iterator[str]:
    for step in range(0, 86_400_000, operations.STEP_MS):
        time = BEGIN + timedelta(days=day, milliseconds=step)
        for partition in range(PARTITIONS):
            beat = Heartbeat.example().model_copy(update={"partition": partition, "time": time})
            yield from writer.items(Record(HEARTBEATS, partition, step, 0, None, encode(beat)))
        yield from operations.lines_of({sink: GroupLag(3, 0.5, running=True) for sink in SINKS}, to_millis(time))


def shown(length: int) -> tuple[datetime, datetime]:
    """The time that the boards show: the days that are filled, and the one ahead."""
    return BEGIN, BEGIN + timedelta(days=length + 1)
