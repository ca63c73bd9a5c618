"""Apache Kafka (KRaft, alone or one node of several) as a local process: jars, configuration, when it is ready."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from connectors.services.cache import cached
from connectors.services.keys import keys_of
from connectors.services.keys.listeners import REFUSALS, listeners
from connectors.services.ports import answers, free_ports
from connectors.services.progress import CommandFailed, Say, run
from connectors.services.run_state import private_directory, write_private
from connectors.services.supervisor import die_with_parent, environment
from connectors.services.tools import KAFKA_TOOLS, require

VERSION = "4.2.0"
PINNED = resources.files("connectors.services").joinpath("kafka_jars")

KEY = f"kafka-{VERSION}-{hashlib.sha256(PINNED.joinpath('jars.sha256').read_bytes()).hexdigest()[:8]}"
"""The folder of the cache: another one where another jar is pinned."""

STORAGE_KEY = f"{KEY}-storage"
"""What Kafka's tool makes of a new storage is the same for every node but for its ids: it is made once and copied."""

ARCHIVE_SECONDS = 600.0
"""How long the one start may take at which the archive of classes is made."""

_JAVA = ("java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

_PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
log.dirs={log_dirs}
auto.create.topics.enable=false
num.partitions=4
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=10000
log.segment.delete.delay.ms=1000
"""

_LOGGING = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c: %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
"""


class WrongJar(RuntimeError):
    """A fetched jar is not the one that was pinned."""


def jars(say: Say, cancelled: threading.Event | None = None) -> Path:
    """The folder of Kafka's jars, fetched by Maven on first use and compared with the pinned SHA-256 sums.

    Raises:
        MissingTool: Java or Maven is missing.
        WrongJar: a jar differs from the pinned one.
    """
    require(("java",))
    return cached(KEY, lambda folder: _fetch(folder, say, cancelled), say, cancelled)


def _fetch(folder: Path, say: Say, cancelled: threading.Event | None) -> None:
    require(KAFKA_TOOLS)
    with resources.as_file(PINNED) as project:
        sums = (project / "jars.sha256").read_text(encoding="ascii")
        copy = ("dependency:copy-dependencies", f"-DoutputDirectory={folder / 'jars'}")
        command = ("mvn", "-B", "-ntp", "-q", "-f", str(project / "pom.xml"), *copy)
        title, note = f"fetching Apache Kafka {VERSION}", "47 jars, 44 MB, once"
        run(command, title=title, note=note, log=folder / "fetch.log", say=say, cancelled=cancelled)
    check_sums(folder / "jars", sums)


def check_sums(folder: Path, sums: str) -> None:
    """Compare the files in ``folder`` with ``sums`` (lines of ``sha256sum``): all there, nothing else, none changed.

    Raises:
        WrongJar: naming the first that differs.
    """
    expected = {name: digest for digest, name in (line.split() for line in sums.splitlines())}
    found = {path.name: path for path in folder.iterdir()}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found or name not in expected:
            raise WrongJar(f"{name}: {'not fetched' if name in expected else 'not among the pinned jars'}")
        if hashlib.sha256(found[name].read_bytes()).hexdigest() != expected[name]:
            raise WrongJar(f"{name}: its SHA-256 is not the pinned {expected[name]}")


def cluster_id() -> str:
    """Of a new cluster."""
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=").replace("-", "x")


def prepare(
    directory: Path,
    library: Path,
    broker: int,
    controller: int,
    *,
    node: int = 1,
    controllers: Sequence[int] = (),
    cluster: str = "",
    users: int | None = None,
    classes: tuple[str, ...] | None = None,
) -> tuple[str, ...]:
    """Write the configuration under ``directory``, make its storage on first use; returns the server's command.

    Args:
        broker, controller: ports of this node.
        node: its number, from 1.
        controllers: ports of the controllers of all nodes, in the order of their numbers; by default it is alone. What
            three nodes hold has three replicas, of which two must have a record before it counts.
        cluster: the id that all nodes share; by default a new one.
        users: port for users with passwords, of a server that lets nobody in without a key.
        classes: Java's option for where its classes come from or go to; by default that of `archive`, which is made
            where it is missing.
    """
    private_directory(directory)
    configuration, logging = directory / "server.properties", directory / "log4j2.properties"
    storage = directory / "storage"
    voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(controllers or (controller,), 1))
    replicas = min(len(controllers) or 1, 3)
    properties = _PROPERTIES.format(
        node=node,
        voters=voters,
        log_dirs=storage,
        replicas=replicas,
        in_sync=max(replicas - 1, 1),
    )
    write_private(configuration, properties + listeners(broker, controller, users, keys_of(directory)))
    write_private(logging, _LOGGING + (REFUSALS if users is not None else ""))
    if not (storage / "meta.properties").is_file():
        _new_storage(storage, library, cluster or cluster_id(), node)
    options = archive(library) if classes is None else classes
    return (*_JAVA, *options, *_classes(library, logging), "kafka.Kafka", str(configuration))


def archive(library: Path) -> tuple[str, ...]:
    """Java's option for an archive of Kafka's classes, with which a start takes half the processor time.

    Java writes it at the end of a first start, which is made here; it is that Java's alone, and of jars in that
    place. A Java that cannot do so has none.
    """
    java = Path(shutil.which("java") or "java").resolve()
    written = java.stat().st_mtime_ns if java.is_file() else 0
    known_as = hashlib.sha256(f"{java} {written} {library}".encode()).hexdigest()[:8]
    made = cached(f"{KEY}-classes-{known_as}", lambda folder: _archive(folder, library), lambda _: None)
    return (f"-XX:SharedArchiveFile={made / 'classes.jsa'}",) if (made / "classes.jsa").is_file() else ()


def _archive(folder: Path, library: Path) -> None:
    """Start a server, end it when it answers, and leave in ``folder`` what Java writes of its classes."""
    with tempfile.TemporaryDirectory() as kept:
        broker, controller = free_ports(2)
        written = (f"-XX:ArchiveClassesAtExit={folder / 'classes.jsa'}",)
        process = subprocess.Popen(
            prepare(Path(kept) / "server", library, broker, controller, classes=written), env=environment(os.environ),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )  # fmt: skip
        until = time.monotonic() + ARCHIVE_SECONDS
        try:
            while process.poll() is None and time.monotonic() < until and not ready(f"127.0.0.1:{broker}"):
                time.sleep(0.1)
            process.terminate()
            process.wait(max(until - time.monotonic(), 1.0))
        except subprocess.TimeoutExpired:
            (folder / "classes.jsa").unlink(missing_ok=True)
        finally:
            process.kill()
            process.wait()


def _classes(library: Path, logging: Path) -> tuple[str, ...]:
    return ("-cp", f"{library / 'jars'}/*", f"-Dlog4j2.configurationFile={logging}")


def _new_storage(storage: Path, library: Path, cluster: str, node: int) -> None:
    """A copy of the storage that Kafka's own tool formatted, with ids of its own; ``meta.properties`` comes last."""
    made = cached(STORAGE_KEY, lambda folder: _format(folder, library), lambda _: None)
    private_directory(storage)
    text = (made / "meta.properties").read_text(encoding="utf-8")
    ids = {"cluster.id": cluster, "directory.id": cluster_id(), "node.id": str(node)}
    for name, value in ids.items():
        text, found = re.subn(rf"^{re.escape(name)}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        if found != 1:
            raise ValueError(f"{made / 'meta.properties'}: no {name}; remove {made}, and it is made anew")
    for path in made.iterdir():
        if path.name != "meta.properties":
            (storage / path.name).write_bytes(path.read_bytes())
            (storage / path.name).chmod(0o600)
    write_private(storage / "meta.properties", text)


def _format(folder: Path, library: Path) -> None:
    """Let Kafka's tool format ``folder`` for some node of some cluster."""
    with tempfile.TemporaryDirectory() as kept:
        work = Path(kept)
        configuration, logging = work / "server.properties", work / "log4j2.properties"
        properties = _PROPERTIES.format(
            node=1, voters="1@127.0.0.1:9093", log_dirs=work / "storage", replicas=1, in_sync=1
        )
        configuration.write_text(properties + listeners(9092, 9093, None, keys_of(work)), encoding="utf-8")
        logging.write_text(_LOGGING, encoding="utf-8")
        tool = ("kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c", str(configuration))
        command = [*_JAVA, *_classes(library, logging), *tool]
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment(os.environ), check=False
        )
        if done.returncode:
            raise CommandFailed(f"formatting Kafka's storage failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        for path in (work / "storage").iterdir():
            (folder / path.name).write_bytes(path.read_bytes())


def ready(bootstrap: str, entry: Mapping[str, Any] | None = None) -> bool:
    """Whether a broker at ``bootstrap`` answers and has joined its cluster; ``entry`` is what lets a client in."""
    if not any(answers(address) for address in bootstrap.split(",")):
        return False
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","), bootstrap_timeout_ms=5_000, **(entry or {}))
    except (KafkaError, OSError):
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()
