"""A ward that is told in a hospital's protocol, by real senders to real listeners, is believed as one told in JSON."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from connectors.feeds.stream import TimedEvent
from connectors.feeds.ward.feed import open_feed
from connectors.kafka.clients import open_consumer, records_to
from connectors.kafka.topics import INPUTS, REJECTED
from connectors.services.ports import free_ports
from streams.cli import app
from streams.speaking import WAITING, Lane
from tests.mosquitto import Mosquitto
from tests.places import ROOT
from tests.streams.test_listening import started, surroundings_of
from tests.streams.worker.forks import Forked
from twin import PatientTwin
from twin.events import Clock, Enrolment, Estimate, InputEvent, decode
from twin.modelfile.library import load_model

WARD = {
    "patients": 3,
    "days": 1.25,
    "seed": 5,
    "start": "2026-03-02T00:00Z",
    "vitals_every": 14400.0,
    "pump_every": 1800.0,
}
OPTIONS = [word for name, value in WARD.items() for word in (f"--{name.replace('_', '-')}", str(value))]
PARTICLES = 32
PAGE = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plainly() -> list[InputEvent]:
    """The ward's events as our own JSON has them."""
    return [said.event for said in open_feed(**WARD).said if isinstance(said, TimedEvent)]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def believed(plainly: list[InputEvent]) -> dict[str, list[np.ndarray]]:
    return beliefs(plainly)


def beliefs(events: Iterable[InputEvent]) -> dict[str, list[np.ndarray]]:
    """What is believed of each patient in the end, and every estimate on the way."""
    of: dict[str, list[InputEvent]] = {}
    for event in events:
        of.setdefault(event.patient_id, []).append(event)
    found = {}
    for patient, told in of.items():
        (model,) = {event.model for event in told if isinstance(event, Enrolment)}
        twin = PatientTwin(patient, load_model(model), PARTICLES)
        update = twin.observe(told)
        assert not update.rejected
        estimates = [one.model_dump_json() for one in update.outputs if isinstance(one, Estimate)]
        posterior = twin.posterior()
        found[patient] = [posterior.eta, posterior.log_weight, posterior.params, np.array(estimates)]
    return found


def arrived(environment: dict[str, str], *, letters: bool = False) -> list[InputEvent]:
    """Every event on the topics; there are no dead ``letters`` unless they may be of others."""
    from kafka import TopicPartition

    consumer = open_consumer(environment["DOSETWIN_KAFKA"])
    found: list[InputEvent] = []
    try:
        for name in (*INPUTS, REJECTED):
            topic = environment["DOSETWIN_TOPIC_PREFIX"] + name
            parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
            raw = [record.value for record in records_to(consumer, consumer.end_offsets(parts))]
            if name != REJECTED:
                found += map(decode, raw)
            assert letters or name != REJECTED or not raw
    finally:
        consumer.close()
    return found


@pytest.mark.parametrize(
    ("protocol", "port", "scheme"),
    [("hl7", "2575", ""), ("http", "8502", "http://"), ("fhir", "8502", "http://"), ("mqtt", "1883", "")],
)
def test_beliefs_are_those_of_the_ward_told_in_json_bit_for_bit(
    kafka: str,
    broker: Mosquitto,
    tmp_path: Path,
    plainly: list[InputEvent],
    believed: dict[str, list[np.ndarray]],
    protocol: str,
    port: str,
    scheme: str,
) -> None:
    """By the commands of the page, on a smaller ward and at another port."""
    surroundings, free = surroundings_of(kafka), broker.port if protocol == "mqtt" else free_ports(1)[0]
    (feed,) = re.findall(rf"^dosetwin feed (ward .*--speak {protocol})$", PAGE, re.MULTILINE)
    (listen,) = re.findall(rf"^dosetwin listen (\S+ ward-{protocol}/\S+ --\S+ (?:\S+:)?{port})$", PAGE, re.MULTILINE)
    folder = str(tmp_path / f"ward-{protocol}")
    speaks = [*feed.split(), "--files", folder, "--to", f"{scheme}127.0.0.1:{free}"]
    listens = listen.replace(port, str(free)).replace(f"ward-{protocol}", folder).split()
    session = ["--client-id", f"speaking-{tmp_path.name}"] if protocol == "mqtt" else []
    named = f"dosetwin listen {' '.join(listens)}"
    told = passed(speaks, [*listens, *session], free, surroundings, tmp_path, len(plainly), lambda log: named in log)
    assert_believed(told, plainly, believed, named_anew=protocol in ("hl7", "fhir"))


@pytest.mark.timeout(900)  # the first to ask for a FHIR server starts it
def test_beliefs_are_the_same_by_way_of_a_real_fhir_server(
    kafka: str, fhir: str, tmp_path: Path, plainly: list[InputEvent], believed: dict[str, list[np.ndarray]]
) -> None:
    """The ward puts its resources there, and they are read from there: by the commands of the page."""
    surroundings, (port,), folder = surroundings_of(kafka), free_ports(1), str(tmp_path / "ward-fhir")
    (feed,) = re.findall(r"^dosetwin feed (ward .*--speak fhir --to \S+)$", PAGE, re.MULTILINE)
    (listen,) = re.findall(r"^dosetwin listen (fhir ward-fhir/\S+ --server \S+)$", PAGE, re.MULTILINE)
    here = feed.split()[-1]
    speaks = [*feed.replace(here, fhir).split(), "--files", folder]
    listens = listen.replace(here, fhir).replace("ward-fhir", folder).split()
    page = ["--every", "1", "--metrics-port", str(port)]
    profile = tmp_path / "ward-fhir" / "profile.toml"
    told = passed(
        speaks, [*listens, *page], port, surroundings, tmp_path, len(plainly), lambda _: profile.exists(), letters=True
    )
    assert_believed(told, plainly, believed, named_anew=True)


def passed(
    speaks: list[str],
    listens: list[str],
    port: int,
    surroundings: dict[str, str],
    folder: Path,
    count: int,
    ready: Callable[[str], bool],
    *,
    letters: bool = False,
) -> list[InputEvent]:
    """So many events, said by one command and taken by another, which answers at ``port`` and begins when the first,
    of which this is the log, is ``ready``.
    """
    log = folder / "log"
    with log.open("wb") as output:
        sender = Forked(["feed", *speaks, *OPTIONS, "--speed", "0"], surroundings, output.fileno())
        while not ready(log.read_text()):
            assert sender.poll() is None or ready(log.read_text()), log.read_text()
            time.sleep(0.05)
        with started([*listens, "--memory", str(folder / "memory")], port, surroundings):
            assert sender.wait(300) == 0, log.read_text()
            until = time.monotonic() + 240
            while len(told := arrived(surroundings, letters=letters)) < count:
                assert time.monotonic() < until, "what a broker or server has taken is not there"
    return told


def assert_believed(
    told: list[InputEvent], plainly: list[InputEvent], believed: dict[str, list[np.ndarray]], *, named_anew: bool
) -> None:
    """What was told is the ward, and believed as it is; ``named_anew`` where a protocol has its own ids."""
    said = [Counter((one.patient_id, one.kind, one.time) for one in events) for events in (told, plainly)]
    assert said[0] == said[1]
    ids = {one.event_id for one in plainly}
    assert (sum(one.event_id not in ids for one in told) > len(told) / 4) == named_anew
    for patient, arrays in beliefs(told).items():
        for mine, theirs in zip(arrays, believed[patient], strict=True):
            np.testing.assert_array_equal(mine, theirs)


class Parrot:
    """Repeats what it is told, until it is told to fail."""

    def __init__(self) -> None:
        self.said: list[TimedEvent] = []

    def say(self, told: Sequence[TimedEvent]) -> None:
        for one in told:
            if one.time < 0:
                raise OSError("no more")
            self.said.append(one)

    def close(self) -> None:
        """Nothing is held."""


def test_a_lane_says_all_in_order_and_passes_on_what_ends_it() -> None:
    told = [TimedEvent(number, Clock.example()) for number in range(3 * WAITING)]
    parrot, stop = Parrot(), threading.Event()
    lane = Lane(parrot, stop)
    for one in told:
        lane.put(one)
    lane.put(None)
    lane.join()
    assert parrot.said == told
    failing = Lane(parrot, stop)
    failing.put(TimedEvent(-1, Clock.example()))
    with pytest.raises(OSError, match="no more"):
        failing.join()
    with pytest.raises(OSError, match="no more"):
        failing.put(told[0])


def test_a_stop_ends_a_lane_that_has_more_to_say() -> None:
    stop = threading.Event()
    lane = Lane(Parrot(), stop)
    stop.set()
    for number in range(3 * WAITING):
        lane.put(TimedEvent(number, Clock.example()))
    lane.put(None)
    lane.join()


def test_a_ward_is_spoken_in_a_protocol_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--speak fax: use one of hl7, http, fhir, mqtt"):
        open_feed(speak="fax")
    with pytest.raises(ValueError, match="--speak None"):
        open_feed(to="127.0.0.1:2575")
    hl7 = ["feed", "ward", "--patients", "1", "--days", "0.1", "--speak", "hl7"]
    refused = CliRunner().invoke(app, [*hl7, "--out", str(tmp_path / "out.ndjson")])
    assert (refused.exit_code, "give it without --speak" in refused.stderr) == (1, True)
    files = ["--files", str(tmp_path / "files")]
    refused = CliRunner().invoke(app, [*hl7, "--to", "localhost", *files])
    assert (refused.exit_code, "write host:port" in refused.stderr) == (1, True)
