"""The main job on one machine: simulated ward, Kafka, worker, InfluxDB sink, console and the chain of what is said of
alerts, each a process of its own.

The demo owns its children: they end with it, also when it is killed. InfluxDB may still be building when everything
else runs; its sink is started when it answers, and catches up from Kafka.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.request import urlopen

from kafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from connectors.audit.keeping import chain_state
from connectors.feeds.ward.ward import WARD_MODELS
from connectors.kafka.clients import kept_records, open_consumer
from connectors.kafka.topics import ALERTS, ESTIMATES, INPUTS, REJECTED, ensure_topics
from connectors.services import Influx, LocalServices
from connectors.services.ports import free_ports
from connectors.services.run_state import open_private, private_directory
from connectors.services.supervisor import start_part
from connectors.settings import Settings, load_settings
from connectors.sinks.delivery import consumer_group
from streams.worker.rows.changelog import group_of
from twin.events import Alert, decode_output

Say = Callable[[str], None]

CONSOLE_PORT = 8500
"""Where the page is, when the port is free."""

VITALS_SECONDS = 900.0
"""Simulated seconds between samples of a wearable. Topics carry no mutual order, so with a fast clock a second between
two of them is a long silence: a wearable that spoke every minute would seem to drop out all the time."""

READY_SECONDS = 900.0
"""Longest time a part may take to be ready; compiling the models for the first time on a busy machine takes minutes."""

LOOK_SECONDS = 2.0
"""Time between two looks whether the sink has delivered anything yet."""

DRAIN_SECONDS = 20.0
"""Longest time given to worker and sink to finish what the ward had sent."""

INTERRUPTED_SECONDS = 0.5
"""The same, when somebody wants the demo to end now."""

STOP_SECONDS = 10.0
"""Longest time given to a process to stop before it is killed."""


class DemoFailed(RuntimeError):
    """A part of the demo ended by itself; the message names it and the end of its log."""


@dataclass(frozen=True)
class DemoOptions:
    """How large and how fast: ``seconds`` None runs until interrupted; ``speed`` is simulated seconds per second."""

    seconds: float | None = None
    patients: int = 8
    speed: float = 1800.0
    open_page: bool = False


@dataclass(frozen=True)
class _Part:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return "\n".join(lines[-12:])


class Demo:
    """One run of the demo; `run` is the whole of it."""

    def __init__(self, options: DemoOptions, directory: Path, say: Say) -> None:
        self.options = options
        self.directory = directory
        self.say = say
        self.parts: dict[str, _Part] = {}
        self._stop = threading.Event()
        self._began = time.monotonic()
        self._received = False

    def run(self) -> dict[str, object]:
        """Start everything, wait, stop everything; returns the figures of the run.

        Raises:
            DemoFailed: a part died.
            ServerFailed, KafkaUnreachable, TopicError, SettingsError: a server or its topics could not be had.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupted)
        private_directory(self.directory)
        with LocalServices(ephemeral=True, say=self.say) as services:
            self.say("starting Kafka")
            settings = load_settings(kafka=services.start_kafka(), topic_prefix=f"demo{int(time.time())}.")
            influx = services.start_influx_later()
            ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
            try:
                return self._main_job(settings, influx)
            finally:
                for name in list(self.parts):
                    self._end(name)

    def _main_job(self, settings: Settings, influx: Future[Influx]) -> dict[str, object]:
        (metrics,) = free_ports(1)
        (page,) = free_ports(1, preferred=(CONSOLE_PORT,))
        common = ["--kafka", settings.kafka, "--prefix", settings.topic_prefix]
        address = f"http://127.0.0.1:{page}"
        cadence = ["--instance", "demo", "--barrier-seconds", "2"]
        ready = ["--ready", ",".join(WARD_MODELS)]
        self._start("worker", "worker", *common, *cadence, *ready, "--metrics-port", str(metrics))
        self._start("console", "console", *common, "--port", str(page), "--replayed")
        self._wait_for(f"{address}/healthz", "the console starts")
        self.say(f"the ward is at {address}")
        print(f"console: {address}", flush=True)
        self._wait_for(f"http://127.0.0.1:{metrics}/metrics", "the worker compiles its models (on a first run)")
        if self.options.open_page:
            import webbrowser

            webbrowser.open(address)
        ward = ["--patients", str(self.options.patients), "--speed", f"{self.options.speed:g}"]
        self._start("ward", "feed", "ward", *common, *ward, "--vitals-every", f"{VITALS_SECONDS:g}")
        self._watch(settings, influx, metrics)
        return self._finish(settings, influx, metrics)

    def _wait_for(self, url: str, what: str) -> None:
        """Until something answers at ``url``, saying now and then what is waited for."""
        began = recorded = time.monotonic()
        while not _reads(url) and not self._stop.is_set():
            self._check()
            now = time.monotonic()
            if now - began > READY_SECONDS:
                raise DemoFailed(f"{what}, but not within {READY_SECONDS:g} s; see {self.directory}")
            if now - recorded >= 5.0:
                recorded = now
                self.say(f"{what}: {now - began:.0f} s")
            time.sleep(0.3)

    def _watch(self, settings: Settings, influx: Future[Influx], metrics: int) -> None:
        """Until it is time to stop: start what comes after, and tell how things go. Time counts from the ward's first
        event on, for on a busy machine it takes its time to begin."""
        self._began = time.monotonic()
        reported = looked = self._began
        while not self._stop.wait(0.2):
            now = time.monotonic()
            if "audit" not in self.parts:
                if _figures(metrics).events_in:
                    self._began = now
                    self._start("audit", "audit", "run", "--kafka", settings.kafka, "--prefix", settings.topic_prefix)
                elif now - self._began > READY_SECONDS:
                    raise DemoFailed(f"the ward says nothing for {READY_SECONDS:g} s; see {self.directory}")
            elif self.options.seconds is not None and now - self._began >= self.options.seconds:
                return
            if influx.done() and "sink" not in self.parts:
                self._start_sink(settings, influx)
            self._check()
            if "sink" in self.parts and not self._received and now - looked >= LOOK_SECONDS:
                looked = now
                self._received = _delivered(settings)
                if self._received:
                    self.say("InfluxDB has received its first points")
            if now - reported >= 10.0:
                reported = now
                figures = _figures(metrics)
                waits = "" if influx.done() else "; InfluxDB is still being made ready"
                self.say(f"{figures.events_in} events in, {figures.estimates_out} estimates out{waits}")

    def _start_sink(self, settings: Settings, influx: Future[Influx]) -> None:
        server = influx.result()
        common = ["--kafka", settings.kafka, "--prefix", settings.topic_prefix]
        secrets = {"DOSETWIN_INFLUX_TOKEN": server.token, "DOSETWIN_INFLUX_ORG": server.org}
        secrets |= {"DOSETWIN_INFLUX_CA": server.ca} if server.ca else {}
        self._start("sink", "sink", "influx", *common, "--url", server.url, "--bucket", server.bucket, secrets=secrets)
        self.say(f"InfluxDB answers at {server.url}; the sink catches up")

    def _finish(self, settings: Settings, influx: Future[Influx], metrics: int) -> dict[str, object]:
        self.say("stopping")
        self._end("ward")
        patience = INTERRUPTED_SECONDS if self._stop.is_set() else DRAIN_SECONDS
        with suppress(TimeoutError):
            _await(lambda: _lag(settings) == 0, self._check, patience)
        figures = _figures(metrics)
        self._end("worker")
        with suppress(TimeoutError):
            _await(lambda: _told(settings), self._check, patience)
        self._end("audit")
        lag = _lag(settings)
        points = 0
        if "sink" in self.parts:
            group = consumer_group("influx", settings.topic_prefix)
            with suppress(TimeoutError):
                _await(lambda: _lag(settings, group, (ESTIMATES, ALERTS)) == 0, self._check, patience)
            self._end("sink")
            points = _last_json(self.logs["sink"]).get("items", 0)
        if not points:
            why = "it answered too late" if influx.done() else "it is not built yet; the next run goes on from here"
            self.say(f"InfluxDB has received nothing: {why}")
        elif not self._received:
            self.say("InfluxDB has received its first points")
        return {
            "events_in": figures.events_in,
            "estimates_out": figures.estimates_out,
            "influx_points": points,
            "alerts": _alerts_by_rule(settings),
            "audit": _audit(settings),
            "dead_letters": _end_offsets(settings, (REJECTED,)),
            "lag": lag,
            "latency_ms": {"p50": figures.p50_ms, "p99": figures.p99_ms},
        }

    @property
    def logs(self) -> dict[str, Path]:
        """Logs of parts, by name."""
        return {name: self.directory / f"{name}.log" for name in ("worker", "console", "audit", "ward", "sink")}

    def _start(self, name: str, *arguments: str, secrets: dict[str, str] | None = None) -> None:
        path = self.logs[name]
        with open_private(path) as log:
            process = start_part(*arguments, log=log, secrets=secrets)
        self.parts[name] = _Part(name, process, path)

    def _check(self) -> None:
        for part in self.parts.values():
            code = part.process.poll()
            if code is not None and not (part.name == "ward" and code == 0):
                raise DemoFailed(f"{part.name} ended with {code}:\n{part.last_words()}")

    def _end(self, name: str) -> None:
        part = self.parts.pop(name, None)
        if part is None or part.process.poll() is not None:
            return
        part.process.terminate()
        try:
            part.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            part.process.kill()
            part.process.wait()

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        self._stop.set()


@dataclass(frozen=True)
class _Figures:
    events_in: int
    estimates_out: int
    p50_ms: float
    p99_ms: float


def _figures(metrics: int) -> _Figures:
    """What the worker counts, read from its metrics page."""
    with urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    total: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            of_estimates = sample.name == "dosetwin_outputs_total" and sample.labels["topic"].endswith(ESTIMATES)
            total["estimates_out" if of_estimates else sample.name] += sample.value
    return _Figures(
        int(total["dosetwin_events_in_total"]),
        int(total["estimates_out"]),
        round(1000.0 * total["dosetwin_latency_p50_seconds"], 1),
        round(1000.0 * total["dosetwin_latency_p99_seconds"], 1),
    )


def _lag(settings: Settings, group: str | None = None, topics: tuple[str, ...] = INPUTS) -> int:
    """Records of ``topics`` that the worker's (or another) consumer group has not committed yet."""
    consumer = open_consumer(settings.kafka, group_id=group or group_of(settings))
    try:
        places = _partitions(settings, topics)
        ends = consumer.end_offsets(places)
        return int(sum(max(0, ends[place] - (consumer.committed(place) or 0)) for place in places))
    finally:
        consumer.close()


def _delivered(settings: Settings) -> bool:
    """Whether the sink has committed anything, which it does when InfluxDB has taken it."""
    consumer = open_consumer(settings.kafka, group_id=consumer_group("influx", settings.topic_prefix))
    try:
        return any(consumer.committed(place) for place in _partitions(settings, (ESTIMATES,)))
    finally:
        consumer.close()


def _end_offsets(settings: Settings, topics: tuple[str, ...]) -> int:
    consumer = open_consumer(settings.kafka)
    try:
        return int(sum(consumer.end_offsets(_partitions(settings, topics)).values()))
    finally:
        consumer.close()


def _partitions(settings: Settings, topics: tuple[str, ...]) -> list[TopicPartition]:
    names = [f"{settings.topic_prefix}{topic}" for topic in topics]
    return [TopicPartition(name, partition) for name in names for partition in range(settings.partitions)]


def _alerts_by_rule(settings: Settings) -> dict[str, int]:
    """Distinct alerts, by rule."""
    found: set[tuple[str, str]] = set()
    for record in kept_records(settings.kafka, _partitions(settings, (ALERTS,))):
        alert = decode_output(record.value)
        if isinstance(alert, Alert):
            found.add((alert.rule, alert.alert_id))
    return dict(sorted(Counter(rule for rule, _ in found).items()))


def _told(settings: Settings) -> bool:
    """Whether the chain tells of all alerts that there are."""
    state = chain_state(settings)
    return state is not None and not state.waiting


def _audit(settings: Settings) -> dict[str, int]:
    """How the chain of what was said of alerts stands."""
    state = chain_state(settings)
    return {} if state is None else {"links": state.links, "untold": state.waiting, "faults": len(state.faults)}


def _last_json(log: Path) -> dict[str, int]:
    for line in reversed(log.read_text(errors="replace").splitlines()):
        if line.startswith("{"):
            with suppress(ValueError):
                found: dict[str, int] = json.loads(line)
                return found
    return {}


def _reads(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _await(ready: Callable[[], bool], check: Callable[[], None], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ready after {seconds:g} s")
        time.sleep(0.3)
