"""Clients of kafka-python, opened in one way: somebody answers, or the error says how to get a broker.

Addresses are asked first: a client that finds nobody leaves its sockets open.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from connectors.kafka.access.entry import access_to
from connectors.kafka.access.refusal import CONNECT_SECONDS, Refusal, refusal
from connectors.services.ports import answers
from connectors.settings import SettingsError

BOOTSTRAP_MS = 10_000
"""How long a broker that takes connections may need to tell of its cluster."""

POLL_MS = 500
"""Longest wait for records that are there."""

CONFIRM_SECONDS = 60
"""How long a broker may need to confirm a record."""

ABANDON_SECONDS = 1.0
"""How long a producer's thread that is let go of may take to end."""


class NotConfirmed(RuntimeError):
    """Kafka does not say that it has what somebody sent and waits for; the message says what to do."""


class KafkaUnreachable(RuntimeError):
    """No broker can be used; the message says how to mend it, ``summary`` only that it is so."""

    def __init__(self, bootstrap: str, reason: str) -> None:
        self.summary = no_answer(bootstrap)
        super().__init__(
            f"{self.summary} ({reason}): start one with 'dosetwin services up', or name yours in DOSETWIN_KAFKA"
        )


class KafkaRefuses(KafkaUnreachable):
    """A broker is there and does not let us in, or may not be spoken to; the message says why, and the mend."""

    def __init__(self, bootstrap: str, why: Refusal | SettingsError) -> None:
        self.summary = f"the Kafka at {bootstrap} does not let us in"
        said = f"{why.seen}: {why.mend}" if isinstance(why, Refusal) else str(why)
        RuntimeError.__init__(self, f"{self.summary}: {said}")


def no_answer(bootstrap: str) -> str:
    """That nobody answers there, in words for people."""
    return f"no Kafka answers at {bootstrap}"


def broker_answers(bootstrap: str) -> bool:
    """Whether any address of ``bootstrap`` (``host:port``, separated by commas) takes a connection."""
    return any(answers(address, timeout=CONNECT_SECONDS) for address in bootstrap.split(","))


def open_admin(bootstrap: str) -> Any:
    """A `kafka.KafkaAdminClient`.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
    """
    from kafka import KafkaAdminClient

    return _open(KafkaAdminClient, bootstrap, {})


def open_producer(bootstrap: str, **options: Any) -> Any:
    """A `kafka.KafkaProducer` with ``options`` of its own.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
    """
    from kafka import KafkaProducer

    return _open(KafkaProducer, bootstrap, options)


def open_consumer(bootstrap: str, **options: Any) -> Any:
    """A `kafka.KafkaConsumer` with ``options`` of its own; it never commits by itself and makes up no topic.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
    """
    from kafka import KafkaConsumer

    never = {"enable_auto_commit": False, "allow_auto_create_topics": False}
    consumer = _open(KafkaConsumer, bootstrap, never | options)
    if options.get("group_id"):
        _join_to_the_end(consumer._coordinator)
    return consumer


def _join_to_the_end(coordinator: Any) -> None:
    """Let every poll go on with a join that is under way.

    kafka-python 3.0 joins again where a topic gained partitions, but forgets why as soon as the leader has shared them
    out: where a poll ends between that and the answer, no later one asks for the answer, and the consumer reads on
    nothing for ever.
    """
    asks = coordinator.need_rejoin
    coordinator.need_rejoin = lambda: coordinator._join_task is not None or asks()


def records_to(consumer: Any, ends: Mapping[Any, int]) -> Iterator[Any]:
    """Every record of the partitions that ``ends`` names, from their beginnings up to there."""
    if not ends:
        return
    consumer.assign(list(ends))
    consumer.seek_to_beginning(*ends)
    while any(consumer.position(place) < end for place, end in ends.items()):
        for batch in consumer.poll(timeout_ms=POLL_MS).values():
            yield from batch


def kept_records(bootstrap: str, places: Collection[Any], **options: Any) -> Iterator[Any]:
    """Every record that some partitions hold now, read by a consumer with ``options`` of its own.

    A topic that is not there holds none.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
        SettingsError: a topic has fewer partitions than are asked for.
    """
    consumer = open_consumer(bootstrap, **options)
    try:
        there = consumer.topics()  # the ends of others are waited for, half a minute
        wanted = [place for place in places if place.topic in there]
        _require(consumer, wanted)
        yield from records_to(consumer, consumer.end_offsets(wanted))
    finally:
        consumer.close()


def _require(consumer: Any, places: Iterable[Any]) -> None:
    for place in places:
        number = len(consumer.partitions_for_topic(place.topic) or ())
        if place.partition >= number:
            raise SettingsError(
                f"topic {place.topic} has {number} partitions, and there is none of number {place.partition}: set "
                f"DOSETWIN_PARTITIONS={number}, or name another DOSETWIN_TOPIC_PREFIX"
            )


def confirm(sent: Iterable[Any]) -> None:
    """Wait until the broker has all that a producer sent; raises the first `kafka.errors.KafkaError`."""
    for confirmation in sent:
        confirmation.get(CONFIRM_SECONDS)


def abandon(producer: Any) -> None:
    """Let go of a producer, which by itself would wait for what it cannot send, and again when it is collected."""
    from kafka.errors import KafkaError

    producer._sender.force_close()
    with suppress(KafkaError):
        producer.close(timeout=ABANDON_SECONDS)
    producer._closed = True


def require_entry(bootstrap: str) -> dict[str, Any]:
    """What a client of kafka-python or aiokafka is to be given so that a broker lets it in.

    Raises:
        KafkaUnreachable: no broker answers.
        KafkaRefuses: none lets us in, or a setting of ours cannot be used.
    """
    try:
        access = access_to(bootstrap)
        options = access.options()
        if options:
            why = refusal(bootstrap, access)
        else:
            why = None if broker_answers(bootstrap) else Refusal("no connection", "", absent=True)
    except SettingsError as error:
        raise KafkaRefuses(bootstrap, error) from None
    if why is None:
        return options
    raise KafkaUnreachable(bootstrap, why.seen) if why.absent else KafkaRefuses(bootstrap, why)


def _open(client: Any, bootstrap: str, options: dict[str, Any]) -> Any:
    from kafka.errors import KafkaError

    entry = require_entry(bootstrap)
    try:
        settings = {"bootstrap_timeout_ms": BOOTSTRAP_MS} | entry | options
        return client(bootstrap_servers=bootstrap.split(","), **settings)
    except (KafkaError, OSError) as error:
        if not entry and (why := refusal(bootstrap, access_to(bootstrap))) is not None and not why.absent:
            raise KafkaRefuses(bootstrap, why) from None
        raise KafkaUnreachable(bootstrap, type(error).__name__) from None
