"""The ways in as processes on a real Kafka: killed while senders send, nothing is lost and nothing told twice."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.kafka.clients import open_consumer, records_to
from connectors.kafka.topics import LABS
from connectors.listeners.mqtt import Broker
from connectors.protocols.hl7.mllp import Frames, framed
from connectors.services.ports import answers, free_ports
from connectors.settings import Settings
from connectors.webhooks import keys_of, new_secret, signed
from streams.doctor.sources import check_sources
from streams.listening import Place, listen_mllp, listen_mqtt
from tests import mosquitto
from tests.connectors.listeners.certificates import make_certificates, sender_tls
from tests.connectors.listeners.test_intake import result
from tests.connectors.protocols.spoken import observation
from tests.mosquitto import Mosquitto
from tests.streams.worker.forks import Forked
from twin.events import LabResult, decode

KILLS = 20
RESULTS = 200


def surroundings_of(kafka: str) -> dict[str, str]:
    """Environment of a way in on topics of its own."""
    own = {"KAFKA": kafka, "TOPIC_PREFIX": f"listen-{uuid.uuid4().hex[:8]}.", "PATIENT_KEY": "k" * 20}
    return os.environ | {f"DOSETWIN_{name}": value for name, value in own.items()}


@pytest.fixture
def surroundings(kafka: str) -> dict[str, str]:
    return surroundings_of(kafka)


@contextlib.contextmanager
def started(arguments: list[str], port: int, environment: dict[str, str]) -> Iterator[Forked]:
    """A way in that takes connections; ended with the context."""
    with open(os.devnull, "wb") as log:
        process = Forked(["listen", *arguments], environment, log.fileno())
    try:
        until = time.monotonic() + 120
        while not answers(f"127.0.0.1:{port}"):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


def told(environment: dict[str, str]) -> list[LabResult]:
    """Every result that stands in Kafka, in order of arrival."""
    from kafka import TopicPartition

    topic = environment["DOSETWIN_TOPIC_PREFIX"] + LABS
    consumer = open_consumer(environment["DOSETWIN_KAFKA"])
    try:
        parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        events = [decode(record.value) for record in records_to(consumer, consumer.end_offsets(parts))]
    finally:
        consumer.close()
    return [event for event in events if isinstance(event, LabResult)]


def sent(raw: bytes, port: int) -> bool:
    """Whether a message was sent and accepted within a few seconds."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(framed(raw))
            frames = Frames()
            while received := connection.recv(65536):
                for answer in frames.feed(received):
                    return b"MSA|AA|" in answer
    except OSError:
        pass
    return False


def profile(folder: Path) -> Path:
    path = folder / "lab-east.toml"
    path.write_text('id = "lab-east"\nprotocol = "hl7"\nmode = "real"\n')
    return path


def test_a_feed_that_is_killed_at_any_moment_loses_nothing_and_tells_nothing_twice(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    chance, (port,) = random.Random(11), free_ports(1)
    arguments = ["mllp", str(profile(tmp_path)), "--port", str(port), "--memory", str(tmp_path / "memory")]
    messages = [result(f"{n}.5", order=f"R-{n}") for n in range(RESULTS)]
    messages += [result(f"{n}.25", order=f"R-{n}", status="C") for n in range(RESULTS)]
    waiting = iter(messages)
    current = next(waiting, None)
    for kill in range(KILLS + 1):
        with started(arguments, port, surroundings) as process:
            left = chance.randrange(2 * len(messages) // KILLS) if kill < KILLS else len(messages)
            while current is not None and left:
                if left == 1 and kill < KILLS:
                    process.send_signal(signal.SIGKILL)  # while a message is on its way, or just before it
                if sent(current, port):
                    current = next(waiting, None)
                elif process.poll() is not None or left == 1:
                    break
                left -= 1
            process.kill()
    assert current is None
    events = {event.event_id: event for event in told(surroundings)}
    first = [event for event in events.values() if event.status == "final"]
    corrected = [event for event in events.values() if event.status == "corrected"]
    assert sorted(event.value.value for event in first) == [n + 0.5 for n in range(RESULTS)]
    assert sorted(event.value.value for event in corrected) == [n + 0.25 for n in range(RESULTS)]
    assert {event.replaces for event in corrected} == {event.event_id for event in first}


def test_events_come_over_http_and_a_stop_ends_it_in_order(surroundings: dict[str, str], tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    tls = sender_tls(certificates, "ward")
    secret = new_secret()
    surroundings["DOSETWIN_WEBHOOK_LAB"] = secret
    mine, other = (hashlib.sha256(token).hexdigest() for token in (b"secret", b"other"))
    (tmp_path / "tokens.toml").write_text(
        f'[[token]]\nsource = "{LabResult.example().source}"\nsha256 = "{mine}"\n'
        f'[[token]]\nsource = "lab-east"\nsha256 = "{other}"\nprofile = "lab-east.toml"\n'
        '[[webhook]]\nsource = "lab-east"\nsecrets = "DOSETWIN_WEBHOOK_LAB"\nprofile = "lab-east.toml"\n'
    )
    profile(tmp_path)
    (port,) = free_ports(1)
    ours = ("--certificate", "server.pem", "--key", "server.key", "--authority", "ward.pem")
    secured = [word if word.startswith("--") else str(certificates / word) for word in ours]
    arguments = ["http", str(tmp_path / "tokens.toml"), "--port", str(port), *secured]
    arguments += ["--memory", str(tmp_path / "memory")]
    url, own = f"https://127.0.0.1:{port}/v1", LabResult.example().model_dump(mode="json", exclude_none=True)
    with started(arguments, port, surroundings) as process, httpx2.Client(verify=tls, timeout=60) as sender:
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{url}/openapi.json", verify=sender_tls(certificates), timeout=60)
        answer = sender.post(f"{url}/events", json=own, headers={"authorization": "Bearer secret"})
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
        hl7 = {"authorization": "Bearer other", "content-type": "application/hl7-v2+er7"}
        for raw, status in (
            (result("1.2"), "accepted"),
            (result("1.2"), "repeated"),
            (result("9", unit="K/uL"), "refused"),
        ):
            answer = sender.post(f"{url}/messages", content=raw, headers=hl7)
            assert (answer.status_code, answer.json()["results"][0]["status"]) == (202, status)
        assert sender.post(f"{url}/messages", content=b"?", headers=hl7).status_code == 422
        by_hook = signed(keys_of(secret), "m-1", int(time.time()), result("1.2"))
        hook = by_hook | {"content-type": "application/hl7-v2+er7"}
        answer = sender.post(f"{url}/messages", content=result("1.2"), headers=hook)
        assert (answer.status_code, answer.json()["results"][0]["status"]) == (202, "repeated")
        sender.close()
        looked = list(check_sources(None, tmp_path / "memory", datetime.now(UTC)))
        assert [one.seen for one in looked if not one.well] == []
        assert f"way in http 127.0.0.1:{port}" in [one.subject for one in looked]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert sorted(event.value.value for event in told(surroundings)) == sorted([own["value"]["value"], 1.2])
    mended = profile(tmp_path)
    mended.write_text(mended.read_text() + '[units]\n"K/uL" = "10*3/uL"\n')
    with open(os.devnull, "wb") as log:
        again = Forked(["listen", "again", str(mended), *arguments[-2:]], surroundings, log.fileno())
    assert again.wait(120) == 0
    assert 9 in [event.value.value for event in told(surroundings)]


COUNTS = """id = "wrists"
protocol = "fields"
mode = "real"
[mqtt]
topic = "TOPIC/{patient}"
[[map]]
kind = "lab_result"
id = "/n"
time = { at = "/t", epoch = "ms" }
fields.analyte = "neutrophils"
fields.value = { at = "/anc", unit = "10*9/L" }
"""
"""A profile of a source that publishes counts."""


@contextlib.contextmanager
def publishing(broker: Mosquitto, topic: str) -> Iterator[list[int]]:
    """A real sender that publishes a count every few milliseconds; gives how many, which stands when it has ended."""
    program, environment = mosquitto.command("mosquitto_pub")
    words = [program, "-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-q", "1", "-t", topic, "-l"]
    sender, ended, numbers = subprocess.Popen(words, env=environment, stdin=subprocess.PIPE), threading.Event(), [0]
    assert sender.stdin is not None

    def publish() -> None:
        assert sender.stdin is not None
        while not ended.wait(0.02):
            said = {"n": numbers[0], "t": 1_772_442_000_000 + numbers[0], "anc": 1 + numbers[0] / 100}
            sender.stdin.write(json.dumps(said).encode() + b"\n")
            sender.stdin.flush()
            numbers[0] += 1

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        yield numbers
    finally:
        ended.set()
        publisher.join()
        sender.stdin.close()
        assert sender.wait(120) == 0


def subscribes(port: int) -> None:
    """Wait until the way in whose page for machines is at ``port`` has subscribed."""
    until = time.monotonic() + 120
    while httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=60).status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_is_published_lands_once_though_the_way_in_is_killed_at_any_moment(
    surroundings: dict[str, str], tmp_path: Path, broker: Mosquitto
) -> None:
    chance, (port,), topic = random.Random(5), free_ports(1), f"t{uuid.uuid4().hex[:8]}"
    path = tmp_path / "wrists.toml"
    path.write_text(COUNTS.replace("TOPIC", topic))
    arguments = ["mqtt", str(path), "--broker", f"127.0.0.1:{broker.port}", "--client-id", topic]
    arguments += ["--memory", str(tmp_path / "memory"), "--metrics-port", str(port)]
    with started(arguments, port, surroundings):
        subscribes(port)
    with publishing(broker, f"{topic}/17") as published:
        for _ in range(KILLS):
            with started(arguments, port, surroundings) as process:
                time.sleep(chance.random() / 2)
                process.send_signal(signal.SIGKILL)
    with started(arguments, port, surroundings):
        until = time.monotonic() + 120
        while len({event.event_id for event in told(surroundings)}) < published[0] and time.monotonic() < until:
            time.sleep(0.2)
    events = {event.event_id: event for event in told(surroundings)}
    assert {event.status for event in events.values()} == {"final"}
    assert sorted(event.value.value for event in events.values()) == [1 + n / 100 for n in range(published[0])]
    assert published[0] > KILLS


@pytest.mark.parametrize(
    ("command", "profiles", "says"),
    [
        ("mqtt", ["counts", "counts"], "one publication may be of both"),
        ("mqtt", ["counts", "more"], "one publication may be of both"),
        ("mqtt", ["plain"], "field 'mqtt' is missing"),
        ("mllp", ["counts"], "another profile"),
    ],
)
def test_ways_in_that_cannot_tell_their_sources_apart_do_not_open(
    command: str, profiles: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_PATIENT_KEY", "k" * 20)
    counts = COUNTS.replace("TOPIC", "t")
    texts = {"counts": counts, "more": counts.replace("wrists", "more"), "plain": counts.replace("[mqtt]", "[names]")}
    texts["plain"] = "\n".join(line for line in texts["plain"].splitlines() if not line.startswith("topic"))
    paths = []
    for name in profiles:
        paths.append(tmp_path / f"{name}.toml")
        paths[-1].write_text(texts[name])
    place = Place(Settings(), "127.0.0.1", 0, tmp_path, (None, "127.0.0.1"), threading.Event())
    listen = (
        listen_mqtt(place, paths, Broker("127.0.0.1", 1, "t"))
        if command == "mqtt"
        else listen_mllp(place, paths[0], frozenset())
    )
    with pytest.raises(ValueError, match=says):
        asyncio.run(listen)


@pytest.mark.timeout(900)
def test_a_reading_of_a_fhir_server_that_is_killed_at_any_moment_loses_nothing_and_tells_nothing_twice(
    surroundings: dict[str, str], fhir: str, tmp_path: Path
) -> None:
    chance, ward = random.Random(4), uuid.uuid4().hex[:8]
    path = tmp_path / "ehr.toml"
    said = ('id = "ehr"', 'protocol = "fhir"', 'mode = "real"', 'resources = ["Observation"]')
    path.write_text("\n".join((*said, "[patients]", f'authorities = ["{ward}"]')))
    begun = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    arguments = ["fhir", str(path), "--server", fhir, "--every", "0.1", "--count", "5", "--since", begun]
    arguments += ["--memory", str(tmp_path / "memory")]
    log = tmp_path / "memory" / "ehr.sqlite-wal"
    finals: list[float] = []
    corrected: list[float] = []
    gone: list[float] = []
    with httpx2.Client(timeout=120) as client, open(os.devnull, "wb") as nowhere:

        def write(*entries: dict[str, Any]) -> None:
            said = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            assert client.post(fhir, json=said).status_code == 200

        def put(number: int, value: float) -> dict[str, Any]:
            subject = {"reference": f"Patient/{ward}"}
            body = observation(value, id=f"{ward}-{number}", subject=subject)
            return {"resource": body, "request": {"method": "PUT", "url": f"Observation/{body['id']}"}}

        patient = {"resourceType": "Patient", "id": ward, "identifier": [{"system": ward, "value": "7"}]}
        write({"resource": patient, "request": {"method": "PUT", "url": f"Patient/{ward}"}})
        for kill in range(KILLS + 1):
            first = 10 * kill
            write(*(put(number, number + 0.5) for number in range(first, first + 10)))
            finals += [number + 0.5 for number in range(first, first + 10)]
            if kill:
                write(
                    put(first - 1, first - 0.75),
                    {"request": {"method": "DELETE", "url": f"Observation/{ward}-{first - 2}"}},
                )
                corrected.append(first - 0.75)
                gone.append(first - 1.5)
            process = Forked(["listen", *arguments], surroundings, nowhere.fileno())
            until, size = time.monotonic() + 60, log.stat().st_size if log.exists() else 0
            while kill < KILLS and time.monotonic() < until and not (log.exists() and log.stat().st_size > size):
                time.sleep(0.001)  # until it has something to remember
            time.sleep(chance.random() * 0.1)
            until = time.monotonic() + 300
            while kill == KILLS and time.monotonic() < until:
                if len({event.event_id for event in told(surroundings)}) >= len(finals + corrected + gone):
                    break
            process.kill()
            process.wait(60)
    events = {event.event_id: event for event in told(surroundings)}.values()
    wanted = {"final": finals, "corrected": corrected, "retracted": gone}
    for status, values in wanted.items():
        assert sorted(event.value.value for event in events if event.status == status) == values
