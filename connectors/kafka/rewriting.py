"""Topics written anew without some of their records: Kafka can delete none singly, only all before an offset.

What is to stay is copied behind the log's end, in its order and with the times at which it arrived; every consumer
group is moved to the copy of what it has not read; then all before the copies is deleted. Whoever is stopped between
two of these steps has lost nothing: what was copied is told twice, and begins anew on the next run. Records that others
send meanwhile stay where they are and are read by every group.

The broker deletes the files of what was deleted at its next look (``log.retention.check.interval.ms``, five minutes by
default) and ``file.delete.delay.ms`` (one minute) later. A file that still grows cannot be deleted, so a new one is
begun first, by a record that is deleted with all that stands before it.
"""

from __future__ import annotations

import bisect
import time
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from connectors.kafka.clients import confirm, open_admin, open_consumer, open_producer, records_to
from connectors.kafka.membership import lives
from connectors.kafka.subscription import left_undone
from connectors.kafka.topics import REJECTED_BYTES, change_topic, topic_settings

AT_ONCE = 500
"""Copies that are under way at a time."""


class GroupBusy(RuntimeError):
    """Somebody reads the topic, whose place cannot be moved meanwhile; the message says who."""


class Gone:
    """In place of a record's value: the record does not stay."""


GONE = Gone()

Change = Callable[[Any], bytes | Gone | None]
"""The value that a record has in the copy, mostly its own, or `GONE`."""


@dataclass(frozen=True)
class Rewritten:
    """One partition: its offsets before (``begin`` to ``end``, exclusive), and how many records stay and are gone."""

    topic: str
    partition: int
    begin: int
    end: int
    stayed: int
    gone: int


def read_partition(bootstrap: str, place: Any) -> Iterator[Any]:
    """Every record of a partition up to its end as it is now, but for those of transactions that were given up.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    consumer = open_consumer(bootstrap, isolation_level="read_committed")
    try:
        end = consumer.end_offsets([place])[place]
        yield from (record for record in records_to(consumer, {place: end}) if record.offset < end)
    finally:
        consumer.close()


def rewrite(bootstrap: str, topic: str, partitions: Collection[int], change: Change) -> list[Rewritten]:
    """Write partitions of a topic anew.

    Raises:
        KafkaUnreachable: no broker answers.
        GroupBusy: a consumer group reads the topic now.
        kafka.errors.KafkaError: the broker does not do what is asked; the topic is whole.
    """
    from kafka import TopicPartition

    places = [TopicPartition(topic, number) for number in sorted(partitions)]
    admin = open_admin(bootstrap)
    producer = open_producer(
        bootstrap, acks="all", enable_idempotence=True, max_request_size=REJECTED_BYTES + REJECTED_BYTES // 8
    )
    try:
        groups = _groups(admin, places)
        with _writable(admin, topic) as keep_times:
            copies = [_Copy(bootstrap, producer, place, change) for place in places]
            for copy in copies:
                copy.begin_file()
            keep_times()
            for copy in copies:
                copy.copy()
            for group, offsets in groups.items():
                moved = {copy.place: copy.moved(offsets[copy.place]) for copy in copies if copy.place in offsets}
                _move(admin, group, moved)
            admin.delete_records({copy.place: copy.end + 1 for copy in copies})
        return [copy.told() for copy in copies]
    finally:
        producer.close()
        admin.close()


def require_rest(bootstrap: str, places: Collection[Any]) -> None:
    """Raises `GroupBusy` where a consumer group reads one of these partitions now."""
    admin = open_admin(bootstrap)
    try:
        _groups(admin, places)
    finally:
        admin.close()


class _Copy:
    """The copy of one partition. ``end`` is where the record stands that began a new file."""

    def __init__(self, bootstrap: str, producer: Any, place: Any, change: Change) -> None:
        self.place = place
        self._bootstrap, self._producer, self._change = bootstrap, producer, change
        self.end = self._begin = self._gone = 0
        self._old, self._new = array("q"), array("q")

    def begin_file(self) -> None:
        """Begin a new file, by a record that says again what another one said: whoever sees it knows it."""
        kept = ((record.key, value) for record in self._read() if (value := self._change(record)) is not GONE)
        key, value = next(kept, (None, b""))
        topic, partition = self.place
        sent = self._producer.send(topic, value=value, key=key, partition=partition, timestamp_ms=_now_ms())
        confirm([sent])
        self.end = sent.value.offset

    def _read(self) -> Iterator[Any]:
        return read_partition(self._bootstrap, self.place)

    def copy(self) -> None:
        """Copy what stood before and stays, with the times at which it arrived."""
        waiting: list[tuple[Any, Any, int]] = []
        for number, record in enumerate(record for record in self._read() if record.offset < self.end):
            self._begin = self._begin if number else record.offset
            if (value := self._change(record)) is GONE:
                self._gone += 1
                continue
            waiting.append((record, value, record.timestamp))
            if len(waiting) >= AT_ONCE:
                self._send(waiting)
                waiting = []
        self._send(waiting)

    def _send(self, copies: list[tuple[Any, Any, int]]) -> None:
        topic, partition = self.place
        sent = [
            self._producer.send(
                topic, value=value, key=record.key, headers=list(record.headers), partition=partition, timestamp_ms=at
            )
            for record, value, at in copies
        ]
        confirm(sent)
        self._old.extend(record.offset for record, _, _ in copies)
        self._new.extend(confirmation.value.offset for confirmation in sent)

    def moved(self, offset: int) -> int:
        """Where a group reads on that had read all before ``offset``."""
        after = self._new[-1] + 1 if self._new else self.end + 1
        unread = bisect.bisect_left(self._old, offset)
        first = self._new[unread] if unread < len(self._new) else after
        return min(first, self._others(after))

    def _others(self, after: int) -> int:
        """The first record that somebody else wrote meanwhile, or ``after``."""
        ours = iter(self._new)
        return next((offset for offset in range(self.end + 1, after) if offset != next(ours, None)), after)

    def told(self) -> Rewritten:
        return Rewritten(self.place.topic, self.place.partition, self._begin, self.end, len(self._old), self._gone)


@contextmanager
def _writable(admin: Any, topic: str) -> Iterator[Callable[[], None]]:
    """A topic whose files can be let go of: the first record begins a new file, and from the call of what is given on
    records keep the times they come with. Its settings are put back at the end."""
    compacted = "delete" not in (topic_settings(admin, topic).get("cleanup.policy") or "delete")
    meanwhile = {"segment.ms": "1", "cleanup.policy": "compact,delete", "retention.ms": "-1"}
    changed = meanwhile if compacted else {"segment.ms": "1"}
    names = {*changed, "message.timestamp.type"}
    before = {name: value for name, value in topic_settings(admin, topic).items() if name in names}

    def restored(*these: str) -> dict[str, str | None]:
        return {name: before.get(name) for name in these}

    def keep_times() -> None:
        change_topic(admin, topic, {**restored("segment.ms"), "message.timestamp.type": "CreateTime"})

    try:
        change_topic(admin, topic, changed)
        yield keep_times
    finally:
        change_topic(admin, topic, restored(*sorted(names)))


def _now_ms() -> int:
    return round(time.time() * 1000)


def _groups(admin: Any, places: Collection[Any]) -> dict[str, dict[Any, int]]:
    """The place of every consumer group that has read one of these partitions; none of them may be at work."""
    found: dict[str, dict[Any, int]] = {}
    for group in sorted(str(each["group_id"]) for each in admin.list_groups()):
        committed = admin.list_group_offsets({group: list(places)}).get(group, {})
        marks = {place: mark for place, mark in committed.items() if place in places and mark.offset >= 0}
        offsets = {place: min(left_undone(mark), default=mark.offset) for place, mark in marks.items()}
        if offsets:
            _require_rest(admin, group)
            found[group] = offsets
    return found


def _require_rest(admin: Any, group: str) -> None:
    """Raises `GroupBusy` where somebody is in the group; what ended and left its name there is removed."""
    from kafka.admin import MemberToRemove

    members = admin.describe_groups([group])[group]["members"]
    busy = sorted(str(member["client_id"]) for member in members if lives(str(member["client_id"])) is not False)
    if busy:
        raise GroupBusy(f"{', '.join(busy)} of group {group} reads now: stop it first, its place is to be moved")
    left = [MemberToRemove(group_instance_id=name) for each in members if (name := each.get("group_instance_id"))]
    left += [MemberToRemove(member_id=each["member_id"]) for each in members if not each.get("group_instance_id")]
    if left:
        admin.remove_group_members(group, left)


def _move(admin: Any, group: str, offsets: Mapping[Any, int]) -> None:
    from kafka import OffsetAndMetadata
    from kafka.errors import NoError

    wanted = {place: OffsetAndMetadata(offset, "", -1) for place, offset in offsets.items()}
    for place, error in admin.alter_group_offsets(group, wanted).items():
        if error is not NoError:
            raise error(f"group {group} cannot be moved on {place.topic}[{place.partition}]")
