"""How much of a bare Faust pass-through's throughput is left with twins in it, and how long an event takes.

Both workers run as processes of their own on the same broker, one after the other, over the same bytes waiting in the
same topics, each until all have passed or its time is over: how fast a machine is decides how many events are counted,
never whether there is a figure. The first tenth is left out of the timing: there processes warm up. Then the worker
with twins starts again on its own state rows, and events come at half the pace that it just had, for the latency.

How two workers share a topic's partitions is told by processor time, which a machine with few cores cannot falsify:
what an event costs two of them together against what it costs one (`scaling`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from connectors.kafka.clients import open_admin, open_consumer, open_producer
from connectors.kafka.topics import INPUTS, ensure_topics, topic_of
from twin.events import decode

WARM_UP, WARM_UP_SECONDS = 0.1, 20.0
"""Share of the events that passes before the timing begins, and how long after the first one it begins anyway."""

SETTLING = 0.25
"""Share of the events that workers handle before their processor time counts: a process has to come to its pace."""

POLL = 0.2
"""Seconds between two looks at how far a worker is: asking costs a part of the machine that is measured."""

PATIENCE = 200.0
"""Seconds for what has no figure: a process begins, or comes to the end of what waits for it."""

LEAST_RATE = 1.0
"""Events a second for the latency, whatever was measured before."""

PACED_LINGER_MS = 5
"""How long a sender at a pace gathers records; their latency counts from when the broker has them."""

OUT = "passed"

WORKER = ["-c", "from streams.cli import main; main()", "worker", "--metrics-port", "0"]

CPU, HOLDS = "process_cpu_seconds_total", "dosetwin_partitions"
"""Metrics of a worker: its processor time, and the partitions that it holds."""


class BenchmarkFailed(RuntimeError):
    """A measured process did not do its work; the message has its last words."""


def stream_vs_passthrough(
    bootstrap: str,
    events: Sequence[bytes],
    *,
    seconds: float = 60.0,
    paced: Iterable[bytes] = (),
    paced_seconds: float = 90.0,
    partitions: int = 4,
    twins: str = "streams.worker.twin_factory:LibraryTwins",
    environment: dict[str, str] | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Measure the worker against a bare pass-through.

    Args:
        bootstrap: broker, ``host:port``.
        events: encoded input events, in order of arrival, that wait in the topics when a worker starts.
        seconds: how long each of the two is timed at most.
        paced: events that follow for ``paced_seconds`` at half the pace at which the worker took those that waited, as
            many as that takes, for the latency: some 30 s of them or more after a warm-up.
        twins: ``module:name`` of the twin factory.
        environment: additional environment variables of the worker.
        say: told what is being done.

    Returns:
        ``events``, ``worker_per_s``, ``passthrough_per_s``, ``stream_vs_passthrough`` (their ratio) and, if there are
        ``paced`` events and the worker has come so far in time, ``latency_ms`` with ``p50`` and ``p99`` of the last
        30 s, and ``latency_at_per_s``, the events a second that were really sent.

    Raises:
        BenchmarkFailed: a measured process ended or never began.
    """
    prefix = f"bench-{uuid.uuid4().hex[:8]}."
    ensure_topics(bootstrap, prefix, partitions)
    _create_out_topic(bootstrap, prefix, partitions)
    say(f"sending {len(events)} events")
    _send(bootstrap, prefix, events, rate=None)
    surroundings = _surroundings(bootstrap, prefix, partitions, environment)
    say("bare Faust pass-through")
    arguments = ["-P", "-m", "streams.bench.stream", bootstrap, prefix, str(partitions)]
    with _process(arguments, surroundings) as process, _counter(bootstrap, prefix + OUT, partitions) as passed:
        bare = _rate(process, len(events), passed, seconds)
    if not bare:
        raise BenchmarkFailed(f"the pass-through stood still for {seconds:g} s, so there is nothing to compare with")
    say("worker with twins")
    command = [*WORKER, "--twins", twins]
    with _process(command, surroundings) as process:
        address = process.metrics_address()
        full = _rate(process, len(events), lambda: _handled(_metrics(address)), seconds)
        rate = max(full / 2, LEAST_RATE)
        following = list(islice(paced, round(rate * paced_seconds)))
        level = not following or process.watch(lambda: _handled(_metrics(address)) >= len(events), PATIENCE)
    measured: dict[str, Any] = {
        "events": len(events),
        "worker_per_s": round(full, 1),
        "passthrough_per_s": round(bare, 1),
        "stream_vs_passthrough": round(full / bare, 3),
    }
    if not level:
        say(f"no latency: events still wait after {PATIENCE:.0f} s more")
    elif following:
        say(f"latency at {rate:.0f} events/s, {len(following) / rate:.0f} s")
        with _process(command, surroundings) as process:
            address = process.metrics_address()
            process.wait_until(lambda: "worker ready" in process.said())
            before = _handled(_metrics(address))
            measured["latency_at_per_s"] = round(_send(bootstrap, prefix, following, rate), 1)
            process.watch(lambda: _handled(_metrics(address)) - before >= len(following), PATIENCE)
            found = _metrics(address)
        quantiles = {name: found[f"dosetwin_latency_{name}_seconds"] for name in ("p50", "p99")}
        measured["latency_ms"] = {name: round(1000 * seconds, 1) for name, seconds in quantiles.items()}
    return measured


def scaling(
    bootstrap: str,
    events: Sequence[bytes],
    *,
    partitions: int = 4,
    environment: dict[str, str] | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> float:
    """How many times one worker two are, where each has a core to itself: by processor time, on whatever cores.

    The workers are ready and have shared the partitions out before the first event is sent. When they have handled
    `SETTLING` of the events, it counts what they, with their threads, take of processors until all are handled. Two
    that cost as much an event together as one alone are 2.

    Args:
        bootstrap, events, partitions, environment, say: as for `stream_vs_passthrough`.

    Raises:
        BenchmarkFailed: a worker ended, or the events were not handled within `PATIENCE` seconds.
    """
    cost = {}
    for workers in (1, 2):
        say(f"processor time of {len(events)} events, workers: {workers}")
        prefix = f"bench-{uuid.uuid4().hex[:8]}."
        ensure_topics(bootstrap, prefix, partitions)
        surroundings = _surroundings(bootstrap, prefix, partitions, environment)
        with contextlib.ExitStack() as running:
            processes = [running.enter_context(_process(WORKER, surroundings)) for _ in range(workers)]
            addresses = [process.metrics_address() for process in processes]

            shares = {partitions // workers}
            both = lambda: {_metrics(address)[HOLDS] for address in addresses} == shares  # noqa: B023, E731
            processes[0].wait_until(both, processes[1:])
            first = round(SETTLING * len(events))
            _send(bootstrap, prefix, events[:first], rate=None)
            processes[0].wait_until(lambda: _sum_of(addresses, _handled) >= first)  # noqa: B023
            before = _sum_of(addresses, _processor_time)
            _send(bootstrap, prefix, events[first:], rate=None)
            processes[0].wait_until(lambda: _sum_of(addresses, _handled) >= len(events))  # noqa: B023
            cost[workers] = _sum_of(addresses, _processor_time) - before
    return round(2 * cost[1] / cost[2], 2)


def _surroundings(bootstrap: str, prefix: str, partitions: int, more: dict[str, str] | None) -> dict[str, str]:
    """Environment of a worker on topics of its own."""
    own = {"KAFKA": bootstrap, "TOPIC_PREFIX": prefix, "PARTITIONS": str(partitions)}
    return {**os.environ, **(more or {}), **{f"DOSETWIN_{name}": value for name, value in own.items()}}


@dataclass(frozen=True)
class _Process:
    """A running process and what it says."""

    handle: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace")

    def watch(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Look every `POLL` seconds for as long; whether it was reached.

        Raises:
            BenchmarkFailed: the process ended; with its last words.
        """
        limit = time.monotonic() + seconds
        while not reached():
            code = self.handle.poll()
            if code is not None:
                raise BenchmarkFailed(f"a measured process ended with code {code}; it said:\n{self.said()[-2000:]}")
            if time.monotonic() > limit:
                return False
            time.sleep(POLL)
        return True

    def wait_until(self, reached: Callable[[], bool], beside: Sequence[_Process] = ()) -> None:
        """Look every `POLL` seconds.

        Raises:
            BenchmarkFailed: the process ended, or `PATIENCE` did; with its last words and those of the ones ``beside``.
        """
        if not self.watch(reached, PATIENCE):
            words = "\nand beside it:\n".join(process.said()[-2000:] for process in (self, *beside))
            raise BenchmarkFailed(f"a step took over {PATIENCE:.0f} s; the process said:\n{words}")

    def metrics_address(self) -> str:
        """Where the worker serves its metrics."""
        self.wait_until(lambda: "address=http" in self.said())
        return self.said().partition("address=")[2].split()[0]


@contextlib.contextmanager
def _process(arguments: list[str], environment: dict[str, str]) -> Iterator[_Process]:
    """A Python process until the end of the block, then SIGTERM."""
    with tempfile.TemporaryDirectory(prefix="dosetwin-bench-") as directory:
        log = Path(directory, "log")
        with log.open("wb") as output:
            handle = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=output, stderr=output)
            try:
                yield _Process(handle, log)
            finally:
                handle.send_signal(signal.SIGTERM)
                try:
                    handle.wait(60)
                except subprocess.TimeoutExpired:
                    handle.kill()
                    handle.wait()


def _rate(process: _Process, total: int, passed: Callable[[], float], seconds: float) -> float:
    """Events a second from the end of the warm-up until all have passed, or for so many seconds.

    Where hardly any are left after the warm-up, from the last look before all had passed.

    Raises:
        BenchmarkFailed: all had passed before anybody looked, or none ever does.
    """
    looks = [(time.monotonic(), passed())]

    def reached(count: float) -> bool:
        looks.append((time.monotonic(), passed()))
        return looks[-1][1] >= count

    process.wait_until(lambda: reached(1))
    process.watch(lambda: reached(WARM_UP * total), WARM_UP_SECONDS)
    began = looks[-1]
    process.watch(lambda: reached(total), seconds)
    ended = looks[-1]
    if began[1] >= total:
        began = max((look for look in looks if look[1] < total), default=began)
    if began[1] >= total:
        raise BenchmarkFailed(f"{total} events had passed before they could be counted")
    return (ended[1] - began[1]) / (ended[0] - began[0])


def _metrics(address: str) -> dict[str, float]:
    """Every unlabelled sample by name, and the sums over labels of the others."""
    import urllib.request

    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(address) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def _handled(metrics: dict[str, float]) -> float:
    return metrics.get("dosetwin_events_in_total", 0.0) - metrics["dosetwin_in_flight_records"]


def _processor_time(metrics: dict[str, float]) -> float:
    return metrics[CPU]


def _sum_of(addresses: Iterable[str], figure: Callable[[dict[str, float]], float]) -> float:
    return sum(figure(_metrics(address)) for address in addresses)


def _send(bootstrap: str, prefix: str, events: Sequence[bytes], rate: float | None) -> float:
    """Send events, at a ``rate`` a second if there is one; how many a second it were."""
    addressed = [(decode(raw), raw) for raw in events]
    # A request for each record would cost sender and broker more than the worker has of the machine they share.
    producer = open_producer(bootstrap, linger_ms=1 if rate is None else PACED_LINGER_MS)
    began = time.monotonic()
    for number, (event, raw) in enumerate(addressed):
        if rate is not None:
            time.sleep(max(began + number / rate - time.monotonic(), 0.0))
        producer.send(topic_of(event, prefix), key=event.patient_id.encode(), value=raw)
    producer.flush()
    producer.close()
    return len(addressed) / (time.monotonic() - began)


def _create_out_topic(bootstrap: str, prefix: str, partitions: int) -> None:
    admin = open_admin(bootstrap)
    admin.create_topics({prefix + OUT: {"num_partitions": partitions, "replication_factor": -1}})
    admin.close()


@contextlib.contextmanager
def _counter(bootstrap: str, topic: str, partitions: int) -> Iterator[Callable[[], float]]:
    """A function that says how many records a topic has."""
    from kafka import TopicPartition

    places = [TopicPartition(topic, number) for number in range(partitions)]
    consumer = open_consumer(bootstrap)
    try:
        yield lambda: float(sum(consumer.end_offsets(places).values()))
    finally:
        consumer.close()


def passthrough(bootstrap: str, prefix: str, partitions: int) -> None:
    """A Faust app that sends on every input record as it is, as Faust's documentation shows it; until SIGTERM."""
    import faust

    from connectors.kafka.access.entry import options_for
    from streams.worker.recovery import credentials

    with tempfile.TemporaryDirectory(prefix="dosetwin-bench-") as directory:
        app = faust.App(
            f"{prefix}passthrough",
            broker=f"kafka://{bootstrap}",
            broker_credentials=credentials(options_for(bootstrap)),
            datadir=directory,
            store="memory://",
            autodiscover=False,
            origin=None,
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_partitions=partitions,
            web_enabled=False,
            key_serializer="raw",
            value_serializer="raw",
            stream_wait_empty=False,
        )
        inputs = app.topic(*(prefix + topic for topic in INPUTS), key_type=bytes, value_type=bytes)
        out = app.topic(prefix + OUT, key_type=bytes, value_type=bytes)

        async def pass_on(stream: Any) -> None:
            async for event in stream.events():
                await out.send(key=event.key, value=event.value)

        app.agent(inputs, name="pass_on")(pass_on)

        async def run() -> None:
            stopping = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
            app.in_worker = True
            app.finalize()
            start = asyncio.ensure_future(app.start())
            await stopping.wait()
            await app.stop()
            start.cancel()

        asyncio.run(run())


if __name__ == "__main__":
    passthrough(sys.argv[1], sys.argv[2], int(sys.argv[3]))
