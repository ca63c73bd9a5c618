"""MQTT on a real broker: facts land once, nothing old is read as new, and nobody speaks for another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from connectors.facts.memory import Memory
from connectors.facts.profile import Profile
from connectors.facts.topics import MqttPart, Topics
from connectors.listeners import mqtt
from connectors.listeners.intake import Intake
from connectors.listeners.mqtt import Broker, Subscriber, broker_at, subscribed
from connectors.services.ports import free_ports
from connectors.settings import load_settings
from connectors.tls import client_tls
from tests import mosquitto
from tests.connectors.facts import sources
from tests.connectors.listeners.test_intake import Kafka, run
from tests.mosquitto import PASSWORD, READER, Mosquitto
from twin.events import VitalSample


class Source:
    """A source with topics and a session that no other test has; ``base`` is what the topics begin with."""

    def __init__(self, protocol: str = "dosetwin", users: dict[str, list[str]] | None = None) -> None:
        name = f"t{uuid.uuid4().hex[:8]}"
        self.base, self.client_id = f"{name}/v1/ingest", name
        part = MqttPart(
            topic=f"{self.base}/{{user}}/{{device}}",
            status=f"{self.base}/{{user}}/{{device}}/status",
            users=users or {},
        )
        self.profile: Profile = sources.profile(protocol, source="wrists", topics=Topics.of(part))

    @contextlib.asynccontextmanager
    async def listened(
        self, broker: Mosquitto, kafka: Kafka, memory: Memory | None = None, user: str = "", **options: Any
    ) -> AsyncIterator[Subscriber]:
        port = broker.guarded if user else broker.port
        where = Broker("127.0.0.1", port, self.client_id, user, PASSWORD if user else "")
        async with Intake(self.profile, memory or Memory(), kafka) as intake:
            subscriber = Subscriber(where, {"wrists": intake}, **options)
            async with subscribed(subscriber):
                await until(lambda: not subscriber.trouble)
                yield subscriber

    async def publish(self, broker: Mosquitto, payload: str, *options: str, to: str = "phone-1/w", **more: Any) -> str:
        return await asyncio.to_thread(broker.publish, f"{self.base}/{to}", payload, *options, **more)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not holds():
            await asyncio.sleep(0.01)


def pulse(number: int, patient: str = "P-1", rate: float = 72.0) -> str:
    """An event as a device sends it, without what the topic says."""
    said = {
        "kind": "vital_sample", "event_id": f"pulse-{number}", "patient_id": patient, "time": "2026-03-02T08:00:00Z",
        "channel": "heart_rate", "value": {"value": rate, "unit": "/min"},
    }  # fmt: skip
    return json.dumps(said)


def ids(kafka: Kafka) -> list[str]:
    return [event.event_id for event in kafka.events()]


def test_an_event_an_array_and_lines_land_once_and_a_refused_one_harms_none(broker: Mosquitto) -> None:
    async def body() -> None:
        source, kafka = Source(), Kafka()
        async with source.listened(broker, kafka) as subscriber:
            await source.publish(broker, pulse(1))
            await source.publish(broker, pulse(1))
            await source.publish(broker, f"[{pulse(2)}, {pulse(3, rate=-1e400)[:-1]}]")
            await source.publish(broker, f"[{pulse(2)}, {pulse(3).replace('heart_rate', 'mood')}, {pulse(4)}]")
            lines = (("content-type", "application/x-ndjson"),)
            await source.publish(broker, f"{pulse(5)}\n\n{pulse(6)}\n", properties=lines)
            await until(lambda: "pulse-6" in ids(kafka))
            counts = subscriber.intakes["wrists"].counts
            assert (counts.repeated, counts.refused.total()) == (1, 2)
        assert ids(kafka) == [f"pulse-{n}" for n in (1, 2, 4, 5, 6)]
        event = kafka.events()[0]
        assert isinstance(event, VitalSample)
        assert (event.device_id, event.source) == ("phone-1/w", "wrists")
        assert [letter.reason for letter in kafka.letters()] == ["malformed", "malformed"]
        assert "/1 " in kafka.letters()[1].detail

    run(body())


def test_what_kafka_does_not_confirm_is_not_acknowledged_and_comes_again(broker: Mosquitto) -> None:
    async def body() -> None:
        source, kafka, memory = Source(), Kafka(), Memory()
        kafka.down = True
        async with source.listened(broker, kafka, memory) as subscriber:
            await source.publish(broker, pulse(1))
            await until(lambda: subscriber.intakes["wrists"].counts.unsafe > 0)
        kafka.down = False
        async with source.listened(broker, kafka, memory) as subscriber:
            await until(lambda: subscriber.intakes["wrists"].counts.messages == 1)
            assert subscriber.intakes["wrists"].counts.repeated == 1
        async with source.listened(broker, kafka, memory) as subscriber:
            await source.publish(broker, pulse(2))
            await until(lambda: "pulse-2" in ids(kafka))
            assert subscriber.intakes["wrists"].counts.messages == 1
        assert ids(kafka) == ["pulse-1", "pulse-2"]

    run(body())


def test_it_goes_on_by_itself_when_kafka_is_back(broker: Mosquitto) -> None:
    async def body() -> None:
        source, kafka = Source(), Kafka()
        kafka.down = True
        async with source.listened(broker, kafka) as subscriber:
            for n in range(30):
                await source.publish(broker, pulse(n))
            await until(lambda: subscriber.intakes["wrists"].counts.unsafe > 0)
            kafka.down = False
            await until(lambda: len(set(ids(kafka))) == 30)
        assert ids(kafka) == [f"pulse-{n}" for n in range(30)]

    run(body())


def test_retained_values_are_not_read_whether_kept_or_new(broker: Mosquitto) -> None:
    async def body() -> None:
        source, kafka = Source(), Kafka()
        await source.publish(broker, pulse(1), "-r")
        async with source.listened(broker, kafka) as subscriber:
            await source.publish(broker, pulse(2), "-r", to="phone-1/other")
            await source.publish(broker, pulse(3))
            await until(lambda: "pulse-3" in ids(kafka))
            assert subscriber.retained == 1
            assert subscriber.intakes["wrists"].counts.passed == 1
        assert ids(kafka) == ["pulse-3"]

    run(body())


def test_what_expired_with_the_broker_or_here_tells_nothing(broker: Mosquitto) -> None:
    async def body() -> None:
        source, kafka, clock = Source(), Kafka(), [0.0]
        async with source.listened(broker, kafka):
            pass
        brief, long = ((("message-expiry-interval", seconds),) for seconds in ("1", "600"))
        await source.publish(broker, pulse(1), properties=brief)
        await asyncio.sleep(2.5)  # the broker counts whole seconds
        kafka.down = True
        async with source.listened(broker, kafka, monotonic=lambda: clock[0]) as subscriber:
            counts = subscriber.intakes["wrists"].counts
            await source.publish(broker, pulse(2), properties=long)
            await until(lambda: counts.unsafe > 0)
            await source.publish(broker, pulse(3), properties=long)
            await until(lambda: not subscriber._arrived.empty())
            clock[0] = 601.0
            kafka.down = False
            await source.publish(broker, pulse(4))
            await until(lambda: "pulse-4" in ids(kafka))
            assert subscriber.expired == 1
        assert ids(kafka) == ["pulse-2", "pulse-4"]

    run(body())


def test_a_last_will_is_a_silence_and_a_birth_ends_it_but_not_a_death_of_an_earlier_life(broker: Mosquitto) -> None:
    async def body() -> None:
        source, kafka = Source(), Kafka()
        now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        async with source.listened(broker, kafka, now=lambda: now) as subscriber:
            topic = f"{source.base}/phone-1/w/status"
            birth, will = '{"online": true, "bdSeq": 7}', '{"online": false, "bdSeq": 7}'
            with broker.connected(topic, birth, will) as device:
                try:
                    await until(lambda: subscriber.intakes["wrists"].counts.passed == 1)
                    await source.publish(broker, pulse(1))
                finally:
                    device.kill()
            await until(lambda: len(kafka.events()) == 2)
            for said in (
                '{"online": true, "bdSeq": 8}',
                '{"online": false, "bdSeq": 7}',
                "offline",
                '{"online": false, "bdSeq": 8}',
            ):
                await source.publish(broker, said, "-r", to="phone-1/w/status")
            await until(lambda: len(kafka.events()) == 4)
        alerts = [event for event in kafka.events() if event.kind == "device_alert"]
        assert [event.phase for event in alerts] == ["start", "end", "start"]
        assert {(event.patient_id, event.device_id, event.stops_delivery) for event in alerts} == {
            ("P-1", "phone-1/w", False)
        }
        assert {event.time for event in alerts} == {now}
        assert len(set(ids(kafka))) == 4
        assert not kafka.letters()

    run(body())


def test_nobody_speaks_for_another_neither_by_topic_nor_by_payload(broker: Mosquitto) -> None:
    async def body() -> None:
        source, kafka = Source(users={"phone-1": ["P-1"], "phone-2": ["P-2"]}), Kafka()
        async with source.listened(broker, kafka, user=READER) as subscriber:
            assert "Not authorized" in await source.publish(broker, pulse(1), to="phone-1/w", user="phone-2")
            for number, patient in ((2, "P-1"), (3, "P-2")):
                await source.publish(broker, pulse(number, patient), to="phone-2/w", user="phone-2")
            await source.publish(broker, pulse(4), to="gateway/w", user="gateway")
            await source.publish(broker, pulse(5), to="phone-1/w", user="phone-1")
            await until(lambda: "pulse-5" in ids(kafka))
            assert not subscriber.trouble
        assert ids(kafka) == ["pulse-3", "pulse-5"]
        assert [letter.reason for letter in kafka.letters()] == ["forbidden", "forbidden"]

    run(body())


def test_what_can_never_be_read_is_acknowledged_as_that_and_never_comes_again(broker: Mosquitto) -> None:
    async def body() -> None:
        source, kafka, said = Source(), Kafka(), []
        async with source.listened(broker, kafka) as subscriber:
            real = subscriber._client._packet_queue
            subscriber._client._packet_queue = lambda *packet: said.append(packet[1]) or real(*packet)  # type: ignore[func-returns-value, method-assign]
            await source.publish(broker, "{")
            await source.publish(broker, "?", "-r", to="phone-1/w")
            await source.publish(broker, pulse(1))
            await until(lambda: "pulse-1" in ids(kafka))
            await until(lambda: len([packet for packet in said if packet[0] == 0x40]) == 3)
        async with source.listened(broker, kafka) as subscriber:
            await source.publish(broker, pulse(2))
            await until(lambda: "pulse-2" in ids(kafka))
            assert subscriber.intakes["wrists"].counts.messages == 1
        assert [packet[4:] for packet in said if packet[0] == 0x40] == [b"\x99", b"", b""]
        assert {packet[0] for packet in said} <= {0x40, 0xC0, 0xE0}  # PUBACK, PINGREQ, DISCONNECT: it never publishes

    run(body())


def test_a_packet_that_cannot_be_read_ends_its_connection_and_not_the_way_in(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, broken = paho._packet.decode_publish, [True]

    def decode(*packet: Any) -> Any:
        if broken.pop() if broken else False:
            raise ValueError("a property that nobody knows")
        return real(*packet)

    monkeypatch.setattr(paho._packet, "decode_publish", decode)

    async def body() -> None:
        source, kafka = Source(), Kafka()
        async with source.listened(broker, kafka) as subscriber:
            await source.publish(broker, pulse(1))
            await until(lambda: "cannot be read" in subscriber.trouble)
            await until(lambda: ids(kafka) == ["pulse-1"])
            await until(lambda: not subscriber.trouble)

    run(body())


@pytest.mark.usefixtures("broker")
def test_a_broker_that_is_down_is_named_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "RECONNECT_SECONDS", (1, 1))

    async def body() -> None:
        source, kafka, (port,) = Source(), Kafka(), free_ports(1)
        async with Intake(source.profile, Memory(), kafka) as intake:
            subscriber = Subscriber(Broker("127.0.0.1", port, source.client_id), {"wrists": intake})
            async with subscribed(subscriber):
                await until(lambda: f"no MQTT broker answers at 127.0.0.1:{port}" in subscriber.trouble)
                for life in (1, 2):
                    folder = tmp_path / str(life)
                    folder.mkdir()
                    with mosquitto.running(folder, port) as late:
                        await until(lambda: not subscriber.trouble)
                        await source.publish(late, pulse(life))
                        await until(lambda life=life: f"pulse-{life}" in ids(kafka))  # type: ignore[misc]
                    await until(lambda: bool(subscriber.trouble))
            assert subscriber.lost_sessions == 1  # these brokers keep nothing

    run(body())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves it to the collector
def test_a_broker_shows_a_certificate_of_the_authority_or_is_not_listened_to(broker: Mosquitto) -> None:
    async def body(authority: Path | None, says: str) -> None:
        source, secured = Source(), client_tls(True, authority, None, None)
        assert secured is not None
        tls = secured.context
        async with Intake(source.profile, Memory(), Kafka()) as intake:
            subscriber = Subscriber(Broker("127.0.0.1", broker.tls, source.client_id, tls=tls), {"wrists": intake})
            async with subscribed(subscriber):
                await until(lambda: subscriber.trouble.partition(" at ")[0] == says)

    run(body(broker.authority, ""))
    run(body(None, "no MQTT broker of the authority answers with TLS"))


def test_two_listeners_of_one_client_id_are_told_apart_in_words(broker: Mosquitto) -> None:
    async def body() -> None:
        source, said = Source(), []
        async with source.listened(broker, Kafka()) as first:
            real = first._in_trouble
            first._in_trouble = lambda trouble: said.append(trouble) or real(trouble)  # type: ignore[func-returns-value, method-assign]
            async with source.listened(broker, Kafka()):
                await until(lambda: any("does another client have the id" in trouble for trouble in said))

    run(body())


def test_a_refused_login_is_said(broker: Mosquitto) -> None:
    async def body() -> None:
        source = Source()
        async with Intake(source.profile, Memory(), Kafka()) as intake:
            where = Broker("127.0.0.1", broker.guarded, source.client_id, READER, "wrong")
            subscriber = Subscriber(where, {"wrists": intake})
            async with subscribed(subscriber):
                await until(lambda: "Not authorized" in subscriber.trouble)

    run(body())


@pytest.mark.parametrize(
    ("address", "plain", "says"),
    [
        ("1883", False, "HOST:PORT"),
        ("h:0", False, "HOST:PORT"),
        ("mqtt.ward:1883", False, "--tls"),
        ("mqtt.ward:1883", True, ""),
        ("[::1]:1883", False, ""),
    ],
)
def test_a_broker_elsewhere_is_reached_by_tls_or_as_told(
    address: str, plain: bool, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_MQTT_USERNAME", "dosetwin")
    monkeypatch.setenv("DOSETWIN_MQTT_PASSWORD", "hush")
    if says:
        with pytest.raises(ValueError, match=says):
            broker_at(address, "dosetwin", 7, None, plain=plain)
    else:
        where = broker_at(address, "dosetwin", 7, None, plain=plain)
        assert (where.host, where.session_seconds) == (address.rpartition(":")[0].strip("[]"), 604_800)
        assert (where.username, where.password) == ("dosetwin", "hush")
        assert "hush" not in repr(where) + repr(load_settings(mqtt.MqttSettings))
