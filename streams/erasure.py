"""A patient taken out of all that dosetwin keeps, with a proof of what was searched.

In come a pseudonym and the servers. Out go topics, state rows and series without the patient, a row that says that
somebody was erased, and a `Proof`: what was found in each place before, and what is found after. What others keep
(back-ups, a browser's window, files of ``replay``) is not here to be searched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.kafka.clients import confirm, open_consumer, open_producer, records_to
from connectors.kafka.naming import Naming
from connectors.kafka.rewriting import GONE, Gone, require_rest, rewrite
from connectors.kafka.topics import DEVICE_STATE, DEVICE_TOPICS, DEVICES, HEARTBEATS, TOPICS, home_partition
from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.patient_keys import PatientKeys
from connectors.settings import Settings
from connectors.sinks.influx import Settings as InfluxSettings
from connectors.sinks.influx_erasure import open_series
from streams.devices.erasure import DeviceTraces, device_topics
from streams.worker.repair.refold import CannotRefold, newest_terms
from streams.worker.rows.changelog import changelog_of
from streams.worker.rows.erased import erased_key, erased_row
from streams.worker.rows.held_events import newest_rows
from streams.worker.rows.state_row import is_encrypted, of_term
from twin.events import Heartbeat, encode

SERVERS_OWN = ("storage", "engine")
"""Folders of the run state in which servers keep what topics and series are searched for."""

LARGEST_FILE = 256 * 1024 * 1024
"""Bytes of the longest file that is searched."""


@dataclass(frozen=True)
class Search:
    """One partition of a topic, its offsets from ``begin`` to before ``end``: records about the patient, and records
    of others that mention it."""

    topic: str
    partition: int
    begin: int
    end: int
    records: int
    about: int
    mentions: int


@dataclass
class Proof:
    """What was searched before and after, by place. ``patient`` is the fingerprint: the proof itself names nobody.

    ``key_destroyed`` is when the patient's key was, ``number_forgotten`` when the hospital's number of the patient was,
    in ISO 8601; empty where there is no store of either.
    """

    patient: str
    begun: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    key_destroyed: str = ""
    number_forgotten: str = ""
    topics_before: list[Search] = field(default_factory=list)
    topics_after: list[Search] = field(default_factory=list)
    series: Mapping[str, Any] = field(default_factory=lambda: {"not_searched": "--without-influx"})
    files: Mapping[str, Any] = field(default_factory=dict)
    not_searched: tuple[str, ...] = (
        "pages of a running console and of browsers: restart and close them",
        "back-ups of Kafka and InfluxDB, their files on the disk until the servers let go of them",
        "files that a person wrote with replay, feed or estimate",
        "twin.accesses: who looked at the patient is kept as long as the law asks, with the pseudonym",
    )

    @property
    def left(self) -> list[str]:
        """What still names the patient, in words; nothing after a whole erasure."""
        found = [
            f"{one.topic}[{one.partition}]: {one.about} records about the patient, {one.mentions} that mention it"
            for one in self.topics_after
            if one.about or one.mentions
        ]
        found += [f"InfluxDB {name}: {count} values" for name, count in (self.series.get("after") or {}).items()]
        return found + [f"file {name}: {count} lines" for name, count in (self.files.get("named_in") or {}).items()]

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "left": self.left}


def erase(
    settings: Settings, influx: InfluxSettings | None, patient_id: str, folder: Path, keys: PatientKeys | None = None
) -> Proof:
    """Erase one patient; workers, sinks and whoever else reads the topics in a group must rest.

    First the patient's key is destroyed: what it encrypted is gone from then on, also in copies that nobody reaches.

    Args:
        settings: of Kafka.
        influx: of InfluxDB; None where there is none.
        patient_id: the pseudonym.
        folder: the run state, whose files are searched and left as they are.
        keys: the store of keys, where there is one.

    Raises:
        KeysUnusable: the key cannot be destroyed, or something is encrypted and no store of keys is set.
        KafkaUnreachable: no broker answers.
        GroupBusy: somebody reads the topics.
        SeriesUnreachable: InfluxDB does not do what is asked.
        kafka.errors.KafkaError: the broker does not; nothing is lost, and erasing again goes on.
    """
    naming = Naming(patient_id, keys)
    proof = Proof(erased_key(patient_id.encode()).decode())
    _require_keys(settings, patient_id, keys)
    require_rest(settings.kafka, _places(settings))
    traces = DeviceTraces(settings, naming)
    with contextlib.ExitStack() as opened:
        series = opened.enter_context(open_series(influx, patient_id, naming.names)) if influx is not None else None
        before = series.counted() if series is not None else {}
        _say_so(settings, patient_id)
        if keys is not None:
            proof.key_destroyed = keys.destroy(patient_id).isoformat(timespec="seconds")
        proof.topics_before = search(settings, naming, traces)
        _rewrite(settings, naming, traces, proof.topics_before)
        if series is not None and influx is not None:
            series.erase()
            proof.series = {"bucket": influx.bucket, "before": before, "after": series.counted()}
    proof.topics_after = search(settings, naming, traces)
    proof.files = search_files(folder, naming)
    return proof


def search(settings: Settings, naming: Naming, traces: DeviceTraces) -> list[Search]:
    """All partitions of all topics, of those of devices where there are any, and of the changelog."""
    from kafka import TopicPartition

    places = _places(settings)
    counts = {place: {"about": 0, "mentions": 0, "": 0} for place in places}
    consumer = open_consumer(settings.kafka)
    try:
        begins, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        for record in records_to(consumer, ends):
            counts[TopicPartition(record.topic, record.partition)][_has_to_do(record, naming, traces, settings)] += 1
    finally:
        consumer.close()
    return [
        Search(place.topic, place.partition, begins[place], ends[place], sum(count.values()), count["about"],
               count["mentions"])
        for place, count in counts.items()
    ]  # fmt: skip


def search_files(folder: Path, naming: Naming) -> dict[str, Any]:
    """Files under a folder: how many were searched, and how many lines of which name the patient."""
    named, searched, too_long = {}, 0, []
    for path in _files(folder):
        if path.stat().st_size > LARGEST_FILE:
            too_long.append(str(path.relative_to(folder)))
            continue
        searched += 1
        if lines := sum(naming.names(line) for line in path.read_bytes().splitlines()):
            named[str(path.relative_to(folder))] = lines
    return {"folder": str(folder), "searched": searched, "too_long": too_long, "named_in": named}


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.is_symlink() and path.name not in SERVERS_OWN:
                yield from _files(path)
            elif path.is_file():
                yield path


def _places(settings: Settings) -> list[Any]:
    from kafka import TopicPartition

    topics = [*(settings.topic_prefix + topic for topic in TOPICS), *device_topics(settings), changelog_of(settings)]
    return [TopicPartition(topic, number) for topic in topics for number in range(settings.partitions)]


def _has_to_do(record: Any, naming: Naming, traces: DeviceTraces, settings: Settings) -> str:
    if record.topic.removeprefix(settings.topic_prefix) in DEVICE_TOPICS:
        return traces.of(record)
    if record.topic == changelog_of(settings):  # rows are no text; their key is the patient
        return "about" if record.key == naming.patient_id.encode() else ""
    if record.topic == settings.topic_prefix + HEARTBEATS:
        return "about" if naming.names(record.value or b"") else ""
    return naming.of(record.key, record.value)


def _rewrite(settings: Settings, naming: Naming, traces: DeviceTraces, found: Iterable[Search]) -> None:
    numbers: dict[str, list[int]] = {}
    for one in found:
        if one.about:
            numbers.setdefault(one.topic, []).append(one.partition)

    def kept(record: Any) -> bytes | Gone | None:
        if record.topic == settings.topic_prefix + HEARTBEATS:
            return _beat_without(record.value, naming)
        if record.topic.removeprefix(settings.topic_prefix) in DEVICE_TOPICS:
            return traces.without(record)
        about = _has_to_do(record, naming, traces, settings) == "about"
        value: bytes | None = record.value
        return GONE if about else value

    if settings.topic_prefix + DEVICE_STATE in numbers:
        traces.keep_clocks()
    # Rows go last, and those of devices before what devices said: where the erasure is stopped before, it is seen that
    # there still is somebody to erase, and which words those are.
    last = [settings.topic_prefix + DEVICE_STATE, settings.topic_prefix + DEVICES, changelog_of(settings)]
    for topic in sorted(numbers, key=lambda name: last.index(name) if name in last else -1):
        rewrite(settings.kafka, topic, numbers[topic], kept)


def _beat_without(value: bytes, naming: Naming) -> bytes | Gone:
    """A heartbeat that names the patient no more among those that are sealed."""
    if not naming.names(value):
        return value
    beat = Heartbeat.model_validate_json(value)
    sealed = {patient: reason for patient, reason in beat.sealed.items() if patient != naming.patient_id}
    without = encode(beat.model_copy(update={"sealed": sealed}))
    return GONE if naming.names(without) else without


def _require_keys(settings: Settings, patient_id: str, keys: PatientKeys | None) -> None:
    """Raises `KeysUnusable` where the patient's row is encrypted and there is no store to destroy its key in."""
    rows = newest_rows(settings, changelog_of(settings), [patient_id]) if keys is None else {}
    if any(map(is_encrypted, rows.values())):
        raise KeysUnusable(
            "the patient's row is encrypted: name the store of keys in DOSETWIN_KEYS_STORE, with its master key, as "
            "the key is to be destroyed"
        )


def _say_so(settings: Settings, patient_id: str) -> None:
    """Write the row of a patient who was erased, unless it stands there: from then on nothing of it is taken."""
    key, number = erased_key(patient_id.encode()), home_partition(patient_id.encode(), settings.partitions)
    changelog = changelog_of(settings)
    try:
        term = newest_terms(settings, changelog, [patient_id]).get(number, 0)
    except CannotRefold:
        return
    producer = open_producer(settings.kafka, acks="all")
    try:
        confirm([producer.send(changelog, partition=number, key=key, value=of_term(erased_row(), term))])
    finally:
        producer.close()
