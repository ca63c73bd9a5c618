"""A live way in, from its start to a signal: producer, memories, page for machines, and the door itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from starlette.applications import Starlette

from connectors.facts.memory import Memory
from connectors.facts.profile import Profile, read_profile
from connectors.feeds.messages import key_of_patients
from connectors.kafka.access.entry import options_for
from connectors.kafka.clients import KafkaUnreachable
from connectors.kafka.topics import INPUT_BYTES, ensure_topics
from connectors.listeners.again import read_again
from connectors.listeners.doorplate import Plate, doorplate
from connectors.listeners.http import Door
from connectors.listeners.intake import Intake
from connectors.listeners.metrics import registry_of
from connectors.listeners.mllp import LEAVE_SECONDS, Listener
from connectors.listeners.mqtt import Broker, Subscriber, subscribed
from connectors.listeners.tokens import read_grants
from connectors.protocols.published import readings_again
from connectors.services.ports import joined
from connectors.settings import Settings, SettingsError, load_settings
from connectors.tls import Tls
from streams.terminal.metrics_page import Health, metrics_page
from twin.units import convert

if TYPE_CHECKING:
    from connectors.listeners.fhir.asked import Asked
    from connectors.listeners.fhir.poller import Poller
    from connectors.protocols.fhir_servers.server import Server

CONFIRM_MS = 8_000
"""Longest wait of a record for its confirmation; a sender is told to come again after that."""

LOOK_SECONDS = 0.2
"""Between two looks at whether to stop."""

_log = structlog.get_logger("dosetwin.listen")


@dataclass(frozen=True)
class Place:
    """Where a door is, and what stands behind it.

    Attributes:
        settings: which Kafka, and under which names.
        host, port: where to listen; port 0 takes any free one. Of MQTT where its broker is.
        memory: folder of what each source told before.
        metrics: port and address of the page for machines.
        stop: set when it is to end.
        tls: of the door; in the clear without it.
    """

    settings: Settings
    host: str
    port: int
    memory: Path
    metrics: tuple[int | None, str]
    stop: Event
    tls: Tls | None = None


async def listen_mllp(place: Place, profile: Path, peers: frozenset[str]) -> dict[str, Any]:
    """Take HL7 v2 over MLLP for one source until told to stop; returns what was counted."""
    known = read_profile(profile, key_of_patients())
    _not_published([known])
    async with _intakes(place, [known]) as (intakes, _):
        listener = Listener(intakes[known.source], peers)
        server = await listener.start(place.host, place.port, place.tls and place.tls.context)
        address = joined(*server.sockets[0].getsockname()[:2])
        gauges = [("connections", "Senders that are connected", lambda: listener.connections)]
        with (
            metrics_page(registry_of(intakes, gauges), *place.metrics, _health(place)),
            _plate(place, "mllp", address, intakes),
        ):
            _log.info("listening", protocol="mllp", address=address)
            try:
                await _stopped(place.stop)
            finally:
                await listener.stop(server)
    return _summary(intakes)


async def listen_http(place: Place, tokens: Path) -> dict[str, Any]:
    """Take events and messages over HTTP until told to stop; returns what was counted."""
    grants = read_grants(tokens, time.monotonic)
    paths = dict.fromkeys(grant.profile for grant in grants.each if grant.profile is not None)
    profiles = [read_profile(path, key_of_patients()) for path in paths]
    _not_published(profiles)
    async with _intakes(place, profiles) as (intakes, producer):
        door = Door(grants, producer, intakes, place.settings.topic_prefix)
        gauges: list[tuple[str, str, Callable[[], float]]] = [
            ("requests", "Requests that came", lambda: door.requests),
            ("accepted_events", "Events of our own that Kafka confirmed", lambda: door.accepted),
            ("refused_events", "Events of our own that cannot be used", lambda: door.refused),
        ]
        with metrics_page(registry_of(intakes, gauges), *place.metrics, _health(place)):
            async with _served(place, door.application()) as address:
                with _plate(place, "http", address, (grant.source for grant in grants.each)):
                    _log.info("listening", protocol="http", address=address)
                    await _stopped(place.stop)
    return _summary(intakes) | {"accepted": door.accepted, "refused_events": door.refused}


async def listen_mqtt(place: Place, profiles: list[Path], broker: Broker) -> dict[str, Any]:
    """Take what is published for one or more sources until told to stop; returns what was counted."""
    known = [read_profile(path, key_of_patients()) for path in profiles]
    _apart(known)
    async with _intakes(place, known) as (intakes, _):
        subscriber = Subscriber(broker, intakes)
        gauges: list[tuple[str, str, Callable[[], float]]] = [
            ("broker_answers", "1 while the broker brings what is published", lambda: not subscriber.trouble),
            ("retained_messages", "Retained values that were passed over", lambda: subscriber.retained),
            ("expired_messages", "Publications that outlived their expiry", lambda: subscriber.expired),
            ("unmatched_messages", "Publications on topics of no source", lambda: subscriber.unmatched),
            (
                "lost_sessions",
                "Times that the broker had forgotten what it should keep",
                lambda: subscriber.lost_sessions,
            ),
        ]
        health = Health(waiting=lambda: "it is to stop" if place.stop.is_set() else subscriber.trouble)
        address = joined(broker.host, broker.port)
        with (
            metrics_page(registry_of(intakes, gauges), *place.metrics, health),
            _plate(place, "mqtt", address, intakes),
        ):
            async with subscribed(subscriber):
                await _stopped(place.stop, subscriber.running)
    return _summary(intakes)


def _not_published(profiles: list[Profile]) -> None:
    """Whether none of the sources publishes over MQTT: what is kept of those says its topic, which no other sender may.

    Raises:
        ValueError: one does.
    """
    for one in profiles:
        if one.topics is not None:
            raise ValueError(
                f"profile {one.source!r}: it has topics ('mqtt'); give what comes this way another profile"
            )


def _apart(profiles: list[Profile]) -> None:
    """Whether it is clear of which source each publication is.

    Raises:
        ValueError: a profile has no topics, or two may have one publication.
    """
    for number, one in enumerate(profiles):
        if one.topics is None:
            raise ValueError(f"profile {one.source!r}: field 'mqtt' is missing; say its 'topic'")
        for other in profiles[:number]:
            if other.topics is not None and one.topics.meets(other.topics):
                mend = "give them topics or mqtt.users that have nothing in common"
                raise ValueError(
                    f"profiles {other.source!r} and {one.source!r}: one publication may be of both; {mend}"
                )


@contextlib.asynccontextmanager
async def _served(place: Place, application: Starlette) -> AsyncIterator[str]:
    """An application that takes requests; its address.

    Raises:
        OSError: the port is taken.
    """
    import uvicorn

    tls = place.tls
    config = uvicorn.Config(
        application, host=place.host, port=place.port, log_config=None, access_log=False,
        server_header=False, lifespan="off",
        ssl_context_factory=(lambda *_: tls.context) if tls else None,
        timeout_graceful_shutdown=round(LEAVE_SECONDS),
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if serving.done():
            raise OSError(f"cannot listen on {place.host}:{place.port}: choose another --port")
        yield joined(*server.servers[0].sockets[0].getsockname()[:2])
    finally:
        server.should_exit = True
        await serving


async def listen_fhir(place: Place, profile: Path, asked: Asked) -> dict[str, Any]:
    """Read what is new on a FHIR server until told to stop; returns what was counted."""
    import httpx2

    from connectors.listeners.fhir.hooks import LEAST_SECRET, FhirSettings, Hooks
    from connectors.listeners.fhir.poller import Poller
    from connectors.protocols.fhir_servers.authorization import BackendToken
    from connectors.protocols.fhir_servers.server import ANSWER_SECONDS, Server

    asked, known = asked.of(read_profile(profile, key_of_patients()))
    _not_published([known])
    settings = load_settings(FhirSettings)
    secret = settings.hook_secret.get_secret_value()
    if asked.endpoint and len(secret) < LEAST_SECRET:
        variable = FhirSettings.variable("hook_secret")
        raise SettingsError(f"{variable}: notifications need a secret of {LEAST_SECRET} characters or more; set it")
    wake = asyncio.Event()
    async with _intakes(place, [known]) as (intakes, _), httpx2.AsyncClient(timeout=ANSWER_SECONDS) as client:
        intake = intakes[known.source]
        asked.remember(intake.memory, known)
        bearer = BackendToken(settings, asked.server, client) if settings.client_id else None
        server = Server(asked.server, client, bearer)
        poller = Poller(server, intake, place.memory, asked.since, asked.count)
        hooks = Hooks(secret, wake)
        gauges: list[tuple[str, str, Callable[[], float]]] = [
            ("read_seconds_ago", "Since the server was last read whole", lambda: time.monotonic() - poller.finished),
            ("server_faults", "Questions that the server did not answer", lambda: server.faults),
            ("notifications", "Notifications that came with the secret", lambda: hooks.heard),
        ]
        with (
            metrics_page(registry_of(intakes, gauges), *place.metrics, _health(place)),
            _plate(place, "fhir", asked.address, intakes),
        ):
            async with contextlib.AsyncExitStack() as stack:
                if asked.endpoint:
                    await stack.enter_async_context(_served(place, hooks.application()))
                    work = [poller.run(wake, asked.every), _subscribed(server, poller, asked.endpoint, secret)]
                else:
                    work = [poller.run(wake, asked.every)]
                _log.info("listening", protocol="fhir", server=asked.server)
                await _until_stopped(place.stop, work)
    return _summary(intakes) | {"rounds": poller.rounds, "without_history": poller.without_history}


async def _subscribed(server: Server, poller: Poller, endpoint: str, secret: str) -> None:
    """Have the server tell of what is new, again and again before that ends."""
    from connectors.listeners.fhir.hooks import LIFE, subscribe
    from connectors.protocols.fhir_servers.server import Unusable

    while True:
        while not poller.histories:
            await asyncio.sleep(LOOK_SECONDS)
        try:
            await subscribe(server, poller.facts, endpoint, secret, datetime.now(UTC))
            _log.info("subscribed", kinds=list(poller.facts))
        except Unusable as error:
            _log.error("no subscription; the server is read at its pace all the same", why=str(error))
        await asyncio.sleep(LIFE.total_seconds() / 2)


async def _until_stopped(stop: Event, work: list[Coroutine[Any, Any, None]]) -> None:
    """Do the work until told to stop, or until some of it fails."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        while not stop.is_set() and not any(task.done() for task in tasks):
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for one in ended:
        if isinstance(one, BaseException) and not isinstance(one, asyncio.CancelledError):
            raise one


async def listen_again(place: Place, profile: Path) -> dict[str, Any]:
    """Read what is kept of a source again, by its profile as it is now; returns what was counted."""
    known = read_profile(profile, key_of_patients())
    async with _intakes(place, [known]) as (intakes, _):
        intake = intakes[known.source]
        if known.protocol == "fhir":
            from connectors.listeners.fhir.asked import as_read

            known = as_read(known, intake.memory)
        again = await read_again(intake, intake.memory, lambda raw: readings_again(raw, known, intake.memory))
    return _summary(intakes) | {"kept": again.refused}


@contextlib.asynccontextmanager
async def _intakes(place: Place, profiles: list[Profile]) -> AsyncIterator[tuple[dict[str, Intake], AIOKafkaProducer]]:
    """An intake for each profile, with its memory, on one producer."""
    settings = place.settings
    await asyncio.to_thread(ensure_topics, settings.kafka, settings.topic_prefix, settings.partitions)
    await asyncio.to_thread(convert, 1.0, "10*3/uL", "10*9/L")  # reading the units takes seconds, and senders wait five
    place.memory.mkdir(parents=True, exist_ok=True, mode=0o700)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", enable_idempotence=True, request_timeout_ms=CONFIRM_MS,
        max_request_size=INPUT_BYTES, **options_for(settings.kafka),
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        try:
            await producer.start()
        except KafkaError as error:
            raise KafkaUnreachable(settings.kafka, type(error).__name__) from None
        stack.push_async_callback(producer.stop)
        intakes = {}
        for profile in profiles:
            if profile.source in intakes:
                raise ValueError(f"two profiles have the id {profile.source!r}; each source has its own")
            memory = Memory(place.memory / f"{profile.source}.sqlite")
            stack.callback(memory.close)
            intake = Intake(profile, memory, producer, settings.topic_prefix)
            intakes[profile.source] = await stack.enter_async_context(intake)
        yield intakes, producer


def _plate(place: Place, protocol: str, address: str, sources: Iterable[str]) -> AbstractContextManager[None]:
    certificates = place.tls.files if place.tls else ()
    return doorplate(place.memory, Plate(protocol, address, tuple(sources), tuple(map(str, certificates))))


def _health(place: Place) -> Health:
    return Health(waiting=lambda: "it is to stop" if place.stop.is_set() else "")


async def _stopped(stop: Event, running: asyncio.Task[None] | None = None) -> None:
    """Until it is to stop, or what runs has ended by a fault of ours."""
    while not stop.is_set() and not (running is not None and running.done()):
        await asyncio.sleep(LOOK_SECONDS)


def _summary(intakes: Mapping[str, Intake]) -> dict[str, Any]:
    return {
        "messages": sum(one.counts.messages for one in intakes.values()),
        "events": sum(one.counts.events.total() for one in intakes.values()),
        "refused": sum(one.counts.refused.total() for one in intakes.values()),
    }
