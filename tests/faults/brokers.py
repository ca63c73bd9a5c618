"""Brokers of a test's own, that it may kill, freeze and start again: one, or a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from connectors.services import kafka
from connectors.services.ports import free_ports
from connectors.services.supervisor import die_with_parent, environment

READY_SECONDS = 90.0


class Brokers:
    """``count`` brokers on this machine, running until `close`."""

    def __init__(self, directory: Path, count: int = 1) -> None:
        jars, ports = kafka.jars(print), free_ports(2 * count)
        self._ports, controllers = ports[:count], ports[count:]
        cluster = kafka.cluster_id()
        self._logs = [directory / f"broker-{node}" for node in range(1, count + 1)]
        self._commands = [
            kafka.prepare(place, jars, self._ports[node], controllers[node], node=node + 1,
                          controllers=controllers, cluster=cluster)
            for node, place in enumerate(self._logs)
        ]  # fmt: skip
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * count
        for node in range(1, count + 1):
            self.start(node)
        self.wait_ready()

    @property
    def bootstrap(self) -> str:
        """Addresses of all, whether they run or not."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports)

    def start(self, node: int) -> None:
        """Start the broker numbered ``node`` (from 1) again."""
        with (self._logs[node - 1] / "log").open("ab") as log:
            self._processes[node - 1] = subprocess.Popen(
                self._commands[node - 1], env=environment(os.environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent(),
            )  # fmt: skip

    def wait_ready(self) -> None:
        """Until every broker that was started answers."""
        until = time.monotonic() + READY_SECONDS
        for port, process in zip(self._ports, self._processes, strict=True):
            while process is not None and not kafka.ready(f"127.0.0.1:{port}"):
                assert process.poll() is None, f"a broker ended with {process.returncode}; see {self._logs}"
                assert time.monotonic() < until, f"no broker after {READY_SECONDS} s; see {self._logs}"
                time.sleep(0.1)

    def kill(self, node: int) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        process = self._processes[node - 1]
        assert process is not None
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._processes[node - 1] = None

    def copy(self, node: int) -> Path:
        """A copy of a broker's folder; the broker is ended as one ends it."""
        process = self._processes[node - 1]
        assert process is not None
        process.terminate()
        process.wait()
        self._processes[node - 1] = None
        folder = self._logs[node - 1]
        return Path(shutil.copytree(folder, folder.with_name(f"{folder.name}-copy"), dirs_exist_ok=True))

    def restore(self, node: int, copy: Path) -> None:
        """Start a broker on a copy of its folder; what it had is lost."""
        shutil.rmtree(self._logs[node - 1])
        copy.rename(self._logs[node - 1])
        self.start(node)

    def leader(self, topic: str, partition: int) -> int:
        """The broker that leads a partition; 0 where none does, or where the one that was asked cannot say."""
        running = [f"127.0.0.1:{port}" for port, process in zip(self._ports, self._processes, strict=True) if process]
        return asyncio.run(_leader(running, TopicPartition(topic, partition)))

    def close(self) -> None:
        """End all of them."""
        for node, process in enumerate(self._processes, 1):
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    self.kill(node)


async def _leader(bootstrap: list[str], partition: TopicPartition) -> int:
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await client.bootstrap()
        await client.set_topics([partition.topic])
        return max(client.cluster.leader_for_partition(partition) or 0, 0)
    except KafkaError:
        return 0
    finally:
        await client.close()
