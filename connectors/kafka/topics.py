"""The Kafka topics: their names, which event goes where, and their creation with one partition count.

Every topic is keyed by ``patient_id`` (UTF-8) under the murmur2 partitioner and has the same number of partitions, so
that all that is said about one patient reaches one worker. Two are keyed by device and made where devices are read that
do not know their patient. Topics are created here and never by accident: a topic that
a broker makes up on first use has the broker's partition count, and a worker over unequal topics cannot start.

Records are stamped by the broker on arrival (``LogAppendTime``): retention then counts from arrival, and neither a
record about 1994 is deleted at once nor one of a simulated tomorrow refused. Event time is inside the event.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.kafka.clients import open_admin
from connectors.privacy.retention import Retention
from connectors.settings import SettingsError, load_settings
from twin.clock import DAY_MS, HOUR_MS, MINUTE_MS
from twin.events import EVENTS, Event, InputEvent, channels

PUMP = channels.PUMP.name
VITALS = channels.VITALS.name
LABS = channels.LABS.name
ORDERS = channels.ORDERS.name
COMMANDS = channels.COMMANDS.name
ESTIMATES = channels.ESTIMATES.name
ALERTS = channels.ALERTS.name
ADVICE = channels.ADVICE.name
REJECTED = channels.REJECTED.name
HEARTBEATS = channels.HEARTBEATS.name
POSTERIORS = channels.POSTERIORS.name

INPUTS = tuple(dict.fromkeys(event.sent_on.name for event in EVENTS if issubclass(event, InputEvent)))
OUTPUTS = tuple(dict.fromkeys(event.sent_on.name for event in EVENTS if not issubclass(event, InputEvent)))
TOPICS = INPUTS + OUTPUTS
"""A topic for every channel that some kind of event is sent on."""

DEVICES = channels.DEVICES.name
DEVICE_STATE = "iomt.devices-state"
DEVICE_TOPICS = (DEVICES, DEVICE_STATE)
"""What devices say that do not know their patient, and what `streams.devices` keeps of it."""

ACCESSES = "twin.accesses"
AUDIT = "twin.audit"
ACCESS_AUDIT = "twin.accesses-audit"
AUDIT_TOPICS = (ACCESSES, AUDIT, ACCESS_AUDIT)
"""Who looked, acted or was refused, and the chains of what was said of alerts and of that (`connectors.audit`)."""

MIB = 1_048_576
INPUT_BYTES = 4 * MIB
"""Largest input record: above what the twin decodes, so that an oversized event arrives and can be dead-lettered."""
REJECTED_BYTES = 8 * MIB
"""Largest dead letter: an oversized input in base64 with its reason must fit."""

_KEPT_DAYS = {REJECTED: 90, ACCESSES: 2192}
"""Of accesses six years, as the United States ask for (45 CFR 164.316(b)(2)(i)); where the law says less, keep less."""

_KEPT_DAYS_OTHERWISE = 30

MOST_SEGMENT_DAYS = 7
"""Days that Kafka writes to one file of a topic by itself, before it begins another; only whole files are deleted."""

SETTLE_SECONDS = 30.0
"""Longest time that a broker may need to take a changed setting on."""


NOT_ALLOWED = (
    " Our user may not create it, or may not see that it is there: 'dosetwin topics create' as the role 'topics' or "
    "the operator, and 'dosetwin doctor' as this one"
)


class TopicError(RuntimeError):
    """The topics are not as they must be; the message says how to mend it."""


@dataclass(frozen=True)
class TopicState:
    """One topic as the broker has it; ``partitions`` is 0 where it does not exist, or is ``hidden`` from our user.

    ``rights`` are what our user may do there, as Kafka calls it: ``READ``, ``WRITE``, …
    """

    name: str
    partitions: int
    hidden: bool = False
    rights: frozenset[str] = frozenset()


def topic_of(event: Event | type[Event], prefix: str = "") -> str:
    """The topic that an event, or every event of a class, is sent on."""
    return prefix + event.sent_on.name


def home_partition(key: bytes, partitions: int) -> int:
    """The partition of a key under the murmur2 partitioner of Java, aiokafka and kafka-python."""
    from kafka.partitioner.default import murmur2

    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def topic_configs(topic: str) -> dict[str, str]:
    """Broker-side configuration of ``topic`` (name without prefix)."""
    if topic == HEARTBEATS:  # only the newest of each partition counts, and that for ever
        return {
            "cleanup.policy": "compact",
            "message.timestamp.type": "LogAppendTime",
            "min.cleanable.dirty.ratio": "0.1",
            "segment.ms": str(10 * MINUTE_MS),
        }
    if topic == POSTERIORS:  # the newest of each patient, and that for ever
        return {
            "cleanup.policy": "compact",
            "max.message.bytes": str(INPUT_BYTES),
            "message.timestamp.type": "LogAppendTime",
        }
    if topic == DEVICE_STATE:  # the newest row of each word and binding, and that for ever
        return {
            "cleanup.policy": "compact",
            "max.message.bytes": str(INPUT_BYTES),
            "message.timestamp.type": "LogAppendTime",
            "min.cleanable.dirty.ratio": "0.1",  # all of it is read at each start
            "segment.ms": str(60 * MINUTE_MS),
        }
    if topic in (AUDIT, ACCESS_AUDIT):  # nothing on a chain is ever deleted
        return {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    largest = REJECTED_BYTES if topic == REJECTED else INPUT_BYTES
    return {
        "cleanup.policy": "delete",
        "max.message.bytes": str(largest),
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": str(_KEPT_DAYS.get(topic, _KEPT_DAYS_OTHERWISE) * DAY_MS),
    }


def topic_ids(bootstrap: str, topics: Iterable[str]) -> dict[str, str]:
    """The id of each topic (names with prefix): one that is deleted and made anew has another.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
    """
    admin = open_admin(bootstrap)
    try:
        found = admin.describe_topics(list(topics))
    finally:
        admin.close()
    return {topic["name"]: str(topic["topic_id"]) for topic in found if topic.get("topic_id")}


def ensure_topics(
    bootstrap: str, prefix: str = "", partitions: int = 4, topics: Iterable[str] = TOPICS
) -> tuple[str, ...]:
    """Create the topics that do not exist yet; returns the names of those created.

    Safe to call from several processes at once: whoever comes second finds the topic there.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
        TopicError: a topic exists with another partition count, or cannot be created.
        SettingsError: as `kept_by_settings`.
    """
    kept = kept_by_settings()
    admin = open_admin(bootstrap)
    try:
        topics = tuple(topics)
        before = {state.name: state.partitions for state in _states(admin, prefix, topics)}
        wrong = {name: count for name, count in before.items() if count not in (0, partitions)}
        if wrong:
            listed = ", ".join(f"{name} has {count}" for name, count in wrong.items())
            raise TopicError(
                f"topics must all have {partitions} partitions, but {listed}: set DOSETWIN_PARTITIONS to that number, "
                "or choose an unused DOSETWIN_TOPIC_PREFIX (partitions cannot be changed without moving patients)"
            )
        missing = {
            prefix + topic: {
                "num_partitions": partitions,
                "replication_factor": -1,
                "configs": topic_configs(topic) | kept.get(topic, {}),
            }
            for topic in topics
            if not before[prefix + topic]
        }
        return _create(admin, missing) if missing else ()
    finally:
        admin.close()


def _create(admin: Any, missing: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    from kafka.errors import NoError, TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code

    answer = admin.create_topics(missing, raise_errors=False)
    outcome = {topic["name"]: topic for topic in answer["topics"]}
    for name, topic in outcome.items():
        if topic["error_code"] not in (NoError.errno, TopicAlreadyExistsError.errno):
            error = for_code(topic["error_code"]).__name__
            raise TopicError(
                f"topic {name} cannot be created: {error} {topic.get('error_message') or ''}".rstrip()
                + (NOT_ALLOWED if topic["error_code"] == TopicAuthorizationFailedError.errno else "")
            )
    admin.wait_for_topics(list(missing))
    return tuple(name for name in missing if outcome[name]["error_code"] == NoError.errno)


def describe_topics(bootstrap: str, prefix: str = "", topics: Iterable[str] = TOPICS) -> tuple[TopicState, ...]:
    """Every topic, by default of the vocabulary, as the broker has it, in their order.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
    """
    admin = open_admin(bootstrap)
    try:
        return _states(admin, prefix, topics)
    finally:
        admin.close()


def _states(admin: Any, prefix: str, topics: Iterable[str]) -> tuple[TopicState, ...]:
    from kafka.errors import NoError, TopicAuthorizationFailedError

    wanted = [prefix + topic for topic in topics]
    found = {entry["name"]: entry for entry in (admin.describe_topics(wanted) if wanted else ())}

    def state(name: str) -> TopicState:
        entry = found.get(name, {"error_code": NoError.errno, "partitions": ()})
        hidden = entry["error_code"] == TopicAuthorizationFailedError.errno
        rights = frozenset(entry.get("authorized_operations") or ())
        return TopicState(name, len(entry["partitions"]), hidden, rights)

    return tuple(state(name) for name in wanted)


def kept_by_settings() -> dict[str, dict[str, str]]:
    """How the topics (without prefix) are configured that ``DOSETWIN_KEEP_TOPICS`` names.

    Raises:
        SettingsError: it cannot be read, or names what is no topic of ours, or one that is kept otherwise.
    """
    found = {}
    for topic, days in load_settings(Retention).of_topics().items():
        if topic not in (*TOPICS, *DEVICE_TOPICS, *AUDIT_TOPICS):
            known = ", ".join(sorted(name for name in (*TOPICS, *DEVICE_TOPICS, *AUDIT_TOPICS) if _is_timed(name)))
            raise SettingsError(f"DOSETWIN_KEEP_TOPICS: no topic is named {topic!r}; use one of {known}")
        if not _is_timed(topic):
            raise SettingsError(f"DOSETWIN_KEEP_TOPICS: {topic} is not kept by time; leave it out")
        kept = -1 if days is None else days * DAY_MS
        # A file is deleted as a whole, so what is kept briefly stands in files of a tenth of that time.
        segment = (
            MOST_SEGMENT_DAYS * DAY_MS if days is None else min(max(kept // 10, HOUR_MS), MOST_SEGMENT_DAYS * DAY_MS)
        )
        found[topic] = {"retention.ms": str(kept), "segment.ms": str(segment)}
    return found


def keep_topics(bootstrap: str, prefix: str = "") -> tuple[str, ...]:
    """Let topics that are there keep what the settings say; returns those (without prefix) that were changed.

    Raises:
        KafkaUnreachable: no broker answers.
        SettingsError: as `kept_by_settings`.
        kafka.errors.KafkaError: the broker does not change one.
    """
    wanted = kept_by_settings()
    if not wanted:
        return ()
    admin = open_admin(bootstrap)
    try:
        there = {state.name for state in _states(admin, prefix, wanted) if state.partitions}
        changed = []
        for topic, configs in wanted.items():
            if prefix + topic in there and not configs.items() <= topic_settings(admin, prefix + topic).items():
                change_topic(admin, prefix + topic, configs)
                changed.append(topic)
        return tuple(changed)
    finally:
        admin.close()


def kept_days(bootstrap: str, prefix: str = "") -> dict[str, float | None]:
    """How many days each topic (without prefix) keeps that is kept by time and is there; None is for ever.

    Raises:
        KafkaUnreachable: no broker answers.
        kafka.errors.KafkaError: our user may not see it.
    """
    timed = [topic for topic in (*TOPICS, *DEVICE_TOPICS, *AUDIT_TOPICS) if _is_timed(topic)]
    admin = open_admin(bootstrap)
    try:
        there = [topic for topic, state in zip(timed, _states(admin, prefix, timed), strict=True) if state.partitions]
        found = {topic: topic_settings(admin, prefix + topic).get("retention.ms") for topic in there}
    finally:
        admin.close()
    return {topic: None if ms in (None, "-1") else int(ms) / DAY_MS for topic, ms in found.items()}


def _is_timed(topic: str) -> bool:
    configs = topic_configs(topic)
    return configs["cleanup.policy"] == "delete" and configs.get("retention.ms") != "-1"


def topic_settings(admin: Any, topic: str) -> dict[str, str]:
    """What is set for the topic itself; raises `kafka.errors.TopicAuthorizationFailedError`."""
    from kafka.admin import ConfigResource, ConfigResourceType
    from kafka.errors import TopicAuthorizationFailedError

    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    found = next(iter(admin.describe_configs([resource], config_filter="all").values()))[topic]
    if not found:  # a broker that lets us look tells its defaults too
        raise TopicAuthorizationFailedError(f"DESCRIBE_CONFIGS of {topic}")
    return {
        name: str(one["value"]) for name, one in found.items() if "TOPIC" in str(one.get("config_source", "")).upper()
    }


def change_topic(admin: Any, topic: str, settings: Mapping[str, str | None]) -> None:
    """Set, or with None take back, settings of the topic, and wait until the broker has them."""
    from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType

    changes = {
        name: (AlterConfigOp.DELETE, None) if value is None else (AlterConfigOp.SET, value)
        for name, value in settings.items()
    }
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, changes)])
    until = time.monotonic() + SETTLE_SECONDS
    while any(topic_settings(admin, topic).get(name) != value for name, value in settings.items()):
        if time.monotonic() > until:
            raise TimeoutError(f"the broker does not take on {dict(settings)} of topic {topic}")
        time.sleep(0.05)
