"""MQTT 5: publications on the topics of sources, acknowledged in their order when Kafka has what they tell.

The broker keeps what comes while nobody listens: a session of its own for a fixed client id, with shared subscriptions
of QoS 1. What Kafka does not confirm is held, is not acknowledged, and comes again after a kill. Nothing is ever
published: pumps may listen on the same broker.

A retained value is passed over, whether the broker had kept it or it was just published: how old it is nobody knows. So
is what has outlived its message expiry. Of births and wills, which are published retained, shared subscriptions never
bring what the broker had kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MessageType, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from pydantic import Field, SecretStr

from connectors.facts.fact import Passed, Reading, Refusal
from connectors.listeners.intake import Intake, NotSafe, Taken
from connectors.protocols.published import Published, read_published
from connectors.services.ports import LOCAL_HOSTS, joined, parted
from connectors.settings import PartSettings, load_settings

GROUP = "dosetwin"
"""Of the shared subscriptions, to which no broker brings what it had retained."""

RECEIVE_MAXIMUM = 20
"""Publications that the broker may send before the first of them is acknowledged."""

MOST_HELD = 200
"""Publications held here; a broker that sends more than it may is not read until some are acknowledged."""

MOST_BYTES = 4 * 1_048_576
"""Largest packet that the broker may send."""

KEEPALIVE_SECONDS = 30

RECONNECT_SECONDS = (1, 60)
"""Shortest and longest wait before the next attempt to reach the broker; it doubles."""

RETRY_SECONDS = (0.5, 30.0)
"""Likewise before what Kafka did not confirm is tried again."""

SUCCESS, NOT_AUTHORIZED, TOPIC_NAME_INVALID, PAYLOAD_FORMAT_INVALID = 0x00, 0x87, 0x90, 0x99
"""Reason codes of PUBACK (MQTT 5, table 3-4). With each of them the publication is done with and never comes again."""

SESSION_TAKEN_OVER = 0x8E
"""Reason code of DISCONNECT, where the broker gives one."""

BRIEF_SECONDS = 10.0
"""A connection that ends sooner may be one of two that take the session from one another."""

UNREADABLE = frozenset({"malformed", "charset", "unsupported"})

_log = structlog.get_logger("dosetwin.mqtt")


class MqttSettings(PartSettings, env_prefix="DOSETWIN_MQTT_"):
    """Who logs in at the broker."""

    username: str = Field("", description="user at the MQTT broker; none where it asks for nobody")
    password: SecretStr = Field(SecretStr(""), repr=False, description="of that user")


@dataclass(frozen=True)
class Broker:
    """Which broker, and as whom.

    Attributes:
        session_seconds: for how long the broker keeps what comes while nobody listens.
    """

    host: str
    port: int
    client_id: str
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    session_seconds: int = 7 * 86_400


def broker_at(
    address: str, client_id: str, session_days: float, tls: ssl.SSLContext | None, *, plain: bool = False
) -> Broker:
    """The broker at ``host:port``, with the login of the environment.

    Args:
        address: where.
        client_id: the session's name.
        session_days: how long the broker keeps what comes while nobody listens.
        tls: what the connection needs for TLS.
        plain: whether another machine may be talked to without TLS.

    Raises:
        ValueError: naming what cannot be used, and the mend.
    """
    try:
        host, port = parted(address)
    except ValueError:
        raise ValueError(f"--broker {address!r}: give HOST:PORT, as in 127.0.0.1:1883") from None
    if not 0 < len(client_id.encode()) <= 65_535:
        raise ValueError("--client-id is empty: the broker keeps what comes for a name that stays")
    if host not in LOCAL_HOSTS and tls is None and not plain:
        mend = "give --tls or --authority, or --plain within a network of your own"
        raise ValueError(f"--broker {address} would bring patients' facts in the clear from another machine: {mend}")
    login = load_settings(MqttSettings)
    seconds = min(int(session_days * 86_400), 0xFFFF_FFFE)
    return Broker(host, port, client_id, login.username, login.password.get_secret_value(), tls, seconds)


@dataclass
class _Held:
    """A publication until it is acknowledged."""

    said: Published
    mid: int
    qos: int
    retained: bool
    expires: float
    connection: int
    reason: int | None = None


class _Connection(paho.Client):
    """A connection that goes on with a new one after a packet that it cannot read: none must silence every source."""

    unread: Callable[[Exception], None]

    def _thread_main(self) -> None:
        while True:
            try:
                self.loop_forever(retry_first_connection=True)
                break
            except Exception as error:
                self.unread(error)
                self._sock_close()
        self._thread = None


@dataclass
class Subscriber:
    """Takes what is published for the sources; `subscribed` runs one.

    Attributes:
        broker: where.
        intakes: by source; each profile has topics.
        monotonic: clock of message expiry, in seconds.
        now: the time, at which publications come.
    """

    broker: Broker
    intakes: Mapping[str, Intake]
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    trouble: str = "the broker has not answered yet"
    """Why nothing can come; empty while it can."""
    retained: int = 0
    expired: int = 0
    unmatched: int = 0
    lost_sessions: int = 0
    running: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._arrived: asyncio.Queue[_Held] = asyncio.Queue()
        self._room = threading.Semaphore(MOST_HELD)
        self._lock = threading.Lock()
        self._connection = 0  # only publications of the newest connection can be acknowledged
        self._stopping = False
        self._connected_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._client = self._made()

    @property
    def filters(self) -> list[str]:
        """What is subscribed to."""
        topics = [intake.profile.topics for intake in self.intakes.values()]
        return sorted({template.filter for one in topics if one is not None for template in one.templates()})

    def _made(self) -> paho.Client:
        broker = self.broker
        client = _Connection(
            CallbackAPIVersion.VERSION2, broker.client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        if broker.username:
            client.username_pw_set(broker.username, broker.password or None)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.reconnect_delay_set(*RECONNECT_SECONDS)
        client.unread = self._on_unread
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def start(self) -> None:
        """Begin to reach for the broker, which may be down, in a thread of its own."""
        properties: Any = Properties
        asked = properties(PacketTypes.CONNECT)
        asked.SessionExpiryInterval = self.broker.session_seconds
        asked.ReceiveMaximum = RECEIVE_MAXIMUM
        asked.MaximumPacketSize = MOST_BYTES
        self._client.connect_async(
            self.broker.host, self.broker.port, KEEPALIVE_SECONDS, clean_start=False, properties=asked
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Let go of the broker, which keeps the session; blocks until the thread has ended."""
        self._stopping = True
        self._client.disconnect()
        self._client.loop_stop()

    # In the thread of the connection.

    def _on_connect(self, client: paho.Client, _: Any, flags: Any, reason: Any, __: Any) -> None:
        if reason.is_failure:
            self._in_trouble(f"the broker refuses client {self.broker.client_id!r}: {reason}")
            return
        self._connected_at = time.monotonic()
        with self._lock:
            self._connection += 1
        options = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe([(f"$share/{GROUP}/{one}", options) for one in self.filters])
        _log.info("connected", broker=joined(self.broker.host, self.broker.port), session=bool(flags.session_present))
        self._in_loop(lambda: self._in_session(bool(flags.session_present)))

    def _on_subscribe(self, _: paho.Client, __: Any, ___: int, reasons: Sequence[Any], ____: Any) -> None:
        refused = [f"{one} ({reason})" for one, reason in zip(self.filters, reasons, strict=False) if reason.is_failure]
        if refused:
            self._in_trouble(
                f"the broker refuses shared subscriptions of {', '.join(refused)}: give this user the right"
            )
            return
        if any(reason.value < 1 for reason in reasons):
            _log.warning("the broker grants QoS 0 only: what comes while nobody listens is lost")
        self.trouble = ""
        _log.info("subscribed", filters=self.filters, group=GROUP)

    def _on_connect_fail(self, _: paho.Client, __: Any) -> None:
        what = (
            "no MQTT broker answers" if self.broker.tls is None else "no MQTT broker of the authority answers with TLS"
        )
        self._in_trouble(f"{what} at {joined(self.broker.host, self.broker.port)}; trying again")

    def _on_disconnect(self, _: paho.Client, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        with self._lock:
            self._connection += 1
        if not self._stopping and not self.trouble:  # a refusal says more than the end that follows it
            lasted = time.monotonic() - self._connected_at
            hint = (
                f"; does another client have the id {self.broker.client_id!r}? give one of them another (--client-id)"
            )
            also = hint if reason.value == SESSION_TAKEN_OVER or lasted < BRIEF_SECONDS else ""
            self._in_trouble(f"the connection to the broker ended: {reason}{also}")

    def _on_unread(self, error: Exception) -> None:
        self._in_trouble(f"the broker sent what cannot be read ({type(error).__name__}); connecting anew")

    def _in_trouble(self, trouble: str) -> None:
        if trouble != self.trouble:
            _log.warning(trouble)
        self.trouble = trouble

    def _on_message(self, _: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        while not self._room.acquire(timeout=0.5):
            if self._stopping:
                return
        properties = message.properties
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        said = Published(
            topic, bytes(message.payload), self.now(), str(getattr(properties, "ContentType", "")), bool(message.dup)
        )
        expiry = getattr(properties, "MessageExpiryInterval", None)
        expires = float("inf") if expiry is None else self.monotonic() + expiry
        held = _Held(said, message.mid, message.qos, bool(message.retain), expires, self._connection)
        self._in_loop(lambda: self._arrived.put_nowait(held))

    def _in_loop(self, do: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: what is not acknowledged comes again
            self._loop.call_soon_threadsafe(do)

    # In the loop.

    def _in_session(self, kept: bool) -> None:
        """Note that there is a session; where it was noted before, and the broker has none, it has lost one."""
        memories = [intake.memory for intake in self.intakes.values()]
        subject = ("session", self.broker.host, str(self.broker.port), self.broker.client_id)
        if not kept and any(memory.noted(subject) for memory in memories):
            self.lost_sessions += 1
            mend = "what was published meanwhile is lost; keep sessions on disk there, and longer than this was away"
            _log.warning(f"the broker has forgotten the session of {self.broker.client_id!r}: {mend}")
        for memory in memories:
            memory.note(subject, "kept")

    async def run(self) -> None:
        """Take what comes, for ever."""
        while True:
            held = [await self._arrived.get()]
            while not self._arrived.empty():
                held.append(self._arrived.get_nowait())
            try:
                await self._settle(held)
            finally:
                self._room.release(len(held))

    async def _settle(self, held: Sequence[_Held]) -> None:
        """Take publications until all are safe, and acknowledge each when those before it are."""
        reads = [self._reading(one) for one in held]
        acknowledged, pause = 0, RETRY_SECONDS[0]
        while True:
            left = [n for n, one in enumerate(held) if one.reason is None]
            for n, reason in zip(left, await asyncio.gather(*(reads[n]() for n in left)), strict=True):
                held[n].reason = reason
            while acknowledged < len(held) and held[acknowledged].reason is not None:
                self._acknowledge(held[acknowledged])
                acknowledged += 1
            if acknowledged == len(held):
                return
            _log.warning("publications are not safe and not acknowledged; trying again", publications=len(left))
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS[1])

    def _reading(self, held: _Held) -> Callable[[], Any]:
        """What is to be done with a publication; it may be done again, and says the reason code, or None."""
        intake = self._intake_of(held.said.topic)
        topics = intake.profile.topics if intake is not None else None
        if intake is None or topics is None:
            self.unmatched += 1
            return _always(TOPIC_NAME_INVALID)
        what = ""
        if held.retained and not topics.is_status(held.said.topic):
            self.retained += 1
            what = "a retained value"
        elif held.expires <= self.monotonic():
            self.expired += 1
            what = "an expired publication"

        def read() -> list[Reading]:
            if what:
                return [Reading((Passed("message", what),))]
            return read_published(held.said, intake.profile, intake.memory)

        async def take() -> int | None:
            try:
                return _reason(await intake.take(held.said.record(), read))
            except NotSafe:
                return None

        return take

    def _intake_of(self, topic: str) -> Intake | None:
        """Of whose source a publication is; of several that have its topic, the one that has its user."""
        found = None
        for intake in self.intakes.values():
            topics = intake.profile.topics
            origin = topics.origin(topic) if topics is not None else None
            if topics is None or origin is None:
                continue
            if topics.takes(origin.user):
                return intake
            found = intake
        return found

    def _acknowledge(self, held: _Held) -> None:
        if held.qos != 1 or held.reason is None:
            return
        with self._lock:
            if held.connection == self._connection:
                _puback(self._client, held.mid, held.reason)


def _always(reason: int) -> Callable[[], Any]:
    async def settled() -> int:
        return reason

    return settled


def _reason(taken: Taken) -> int:
    """The reason code of a publication that is safe; refused in part is success, for what was refused is safe too."""
    refused = [outcome.reason for outcome in taken.outcomes if isinstance(outcome, Refusal)]
    if not refused or len(refused) < len(taken.outcomes):
        return SUCCESS
    if set(refused) == {"forbidden"}:
        return NOT_AUTHORIZED
    return PAYLOAD_FORMAT_INVALID if set(refused) <= UNREADABLE else SUCCESS


def _puback(client: paho.Client, mid: int, reason: int) -> None:
    """Acknowledge; paho's own `ack` knows no reason code."""
    if reason == SUCCESS:
        client.ack(mid, 1)
    else:
        client._packet_queue(MessageType.PUBACK, struct.pack("!BBHB", MessageType.PUBACK, 3, mid, reason), mid, 1)


@contextlib.asynccontextmanager
async def subscribed(subscriber: Subscriber) -> AsyncIterator[Subscriber]:
    """Run a subscriber for as long as the context lasts."""
    running = subscriber.running = asyncio.create_task(subscriber.run())
    subscriber.start()
    try:
        yield subscriber
    finally:
        running.cancel()
        await asyncio.to_thread(subscriber.stop)
        with contextlib.suppress(asyncio.CancelledError):
            await running
