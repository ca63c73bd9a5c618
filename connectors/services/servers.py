"""The front of the services: the same calls whether servers are named, run in containers, or run as local processes.

::

    with local_services() as servers:           # started, or joined if they run already; gone with this process
        servers.kafka                           # "127.0.0.1:40123"
        servers.influx.url, servers.influx.token, servers.influx.org, servers.influx.bucket

Servers named in the environment (``DOSETWIN_KAFKA``, ``DOSETWIN_INFLUX_URL`` with ``DOSETWIN_INFLUX_TOKEN``) are used
as they are and never stopped. ``DOSETWIN_SERVICES`` chooses the provider, ``compose`` or ``local``; otherwise
Compose is used where a container engine answers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from connectors.services import compose, influxdb
from connectors.services import kafka as kafka_server
from connectors.services.cache import in_cache
from connectors.services.influxdb import BUCKET, ORGANISATION, Influx
from connectors.services.keys.certificates import operator_options
from connectors.services.launch import SERVERS, ServerFailed, release, start
from connectors.services.ports import answers
from connectors.services.progress import Say, say_on_stderr
from connectors.services.run_state import read_record, state_directory
from connectors.services.supervisor import DETACHED, ProcessId
from connectors.services.tools import INFLUX_TOOLS, KAFKA_TOOLS

ServerName = Literal["kafka", "influx"]

PROVIDER = "DOSETWIN_SERVICES"


class NamedServerError(ServerFailed):
    """A server named in the environment cannot be used; the message says which variable to mend."""


@dataclass(frozen=True)
class ServerStatus:
    """One server as seen now; ``address`` is empty where there is none, ``provider`` says who runs it."""

    name: str
    provider: str
    address: str
    answers: bool


@functools.cache
def _provider_found() -> str:
    return "compose" if compose.available() else "local"


def provider() -> str:
    """``compose`` or ``local``.

    Raises:
        ServerFailed: ``DOSETWIN_SERVICES`` is neither.
    """
    named = os.environ.get(PROVIDER, "")
    if named not in ("", "compose", "local"):
        raise ServerFailed(f"{PROVIDER}={named!r}: expected 'compose' or 'local', or nothing to choose by itself")
    return named or _provider_found()


def named_kafka() -> str | None:
    """The Kafka that ``DOSETWIN_KAFKA`` names."""
    return os.environ.get("DOSETWIN_KAFKA") or None


def named_influx() -> Influx | None:
    """The InfluxDB that ``DOSETWIN_INFLUX_URL`` and ``DOSETWIN_INFLUX_TOKEN`` name.

    Raises:
        NamedServerError: the address is there, the token is not, or would go to another machine in the clear.
    """
    url, token = os.environ.get("DOSETWIN_INFLUX_URL"), os.environ.get("DOSETWIN_INFLUX_TOKEN")
    if not url:
        return None
    if not token:
        raise NamedServerError(f"DOSETWIN_INFLUX_URL names {url}, but DOSETWIN_INFLUX_TOKEN is empty: set both")
    if os.environ.get("DOSETWIN_INFLUX_PLAINTEXT") != "allowed":
        try:
            influxdb.refuse_in_the_clear(url)
        except ValueError as error:
            raise NamedServerError(str(error)) from None
    org, bucket = os.environ.get("DOSETWIN_INFLUX_ORG"), os.environ.get("DOSETWIN_INFLUX_BUCKET")
    return Influx(url, token, org or ORGANISATION, bucket or BUCKET, os.environ.get("DOSETWIN_INFLUX_CA", ""))


class LocalServices:
    """Servers held by one claim, each started when it is asked for.

    Args:
        directory: their run state; by default this clone's ``.dosetwin/``.
        claim: who holds them; by default this process, so that they end with it.
        ephemeral: delete a server's files when it stops.
        secure: servers let nobody in without a key; who was told which is in the folder ``keys`` of each.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        claim: str | None = None,
        ephemeral: bool = False,
        secure: bool = False,
        say: Say = say_on_stderr,
    ) -> None:
        self.directory = directory or state_directory()
        self._claim = claim or str(ProcessId.of(os.getpid()))
        self._ephemeral = ephemeral
        self._secure = secure
        self._say = say
        self._cancelled = threading.Event()
        self._started: list[ServerName] = []
        self._kafka: str | None = None
        self._influx: Influx | None = None
        self._later: Future[Influx] | None = None
        self._worker: threading.Thread | None = None

    @property
    def kafka(self) -> str:
        """Kafka's bootstrap address; starts it if need be."""
        return self.start_kafka()

    @property
    def influx(self) -> Influx:
        """How to reach InfluxDB; starts it if need be, or waits for `start_influx_later`."""
        return self._later.result() if self._later else self.start_influx()

    def start_kafka(self) -> str:
        """Have Kafka answering; returns its bootstrap address ``host:port``."""
        if self._kafka is None:
            named = named_kafka()
            if named and not _named_answers(named):
                raise NamedServerError(f"DOSETWIN_KAFKA names {named}, where no Kafka answers")
            self._kafka = named or self._start("kafka")["kafka"]
        return self._kafka

    def start_influx(self) -> Influx:
        """Have InfluxDB answering and set up; on first use without containers this takes minutes."""
        if self._influx is None:
            named = named_influx()
            if named and not influxdb.accepts(named):
                raise NamedServerError(
                    f"DOSETWIN_INFLUX_URL names {named.url}, where no InfluxDB answers that accepts "
                    f"DOSETWIN_INFLUX_TOKEN and has the bucket '{named.bucket}' in the organisation '{named.org}': "
                    "'dosetwin doctor' says which"
                )
            self._influx = named or _as_influx(self._start("influx"))
        return self._influx

    def start_influx_later(self) -> Future[Influx]:
        """Start InfluxDB in the background, a build behind other work; `stop` cancels it, a build included."""
        if self._later is None:
            promise: Future[Influx] = Future()

            def fulfil() -> None:
                try:
                    if provider() == "local" and not named_influx():
                        influxdb.binary(self._say, self._cancelled, niceness=influxdb.BESIDE_OTHERS)
                    promise.set_result(self.start_influx())
                except BaseException as error:
                    promise.set_exception(error)

            self._later = promise
            self._worker = threading.Thread(target=fulfil, name="influx-start", daemon=True)
            self._worker.start()
        return self._later

    def stop(self) -> None:
        """Let go of every server started here; returns when those that nobody else holds have stopped."""
        self._cancelled.set()
        if self._worker is not None:
            self._worker.join()
        for server in self._started:
            release(server, self.directory, self._claim)
        self._started.clear()
        self._kafka = self._influx = self._later = self._worker = None
        self._cancelled.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, server: ServerName) -> dict[str, str]:
        settings = start(
            server,
            self.directory,
            self._claim,
            self._say,
            provider=provider(),
            ephemeral=self._ephemeral,
            secure=self._secure,
            cancelled=self._cancelled,
        )
        self._started.append(server)
        return settings


@contextlib.contextmanager
def local_services(
    kafka: bool = True,
    influx: bool | Literal["later"] = True,
    *,
    directory: Path | None = None,
    ephemeral: bool = False,
    say: Say = say_on_stderr,
) -> Iterator[LocalServices]:
    """Servers for the length of a ``with`` block, which also end when this process is killed.

    ``influx="later"`` starts InfluxDB in the background: ``servers.influx`` then waits for it, and
    ``servers.start_influx_later()`` gives the future.
    """
    with LocalServices(directory, ephemeral=ephemeral, say=say) as servers:
        if influx == "later":
            servers.start_influx_later()
        if kafka:
            servers.start_kafka()
        if influx is True:
            servers.start_influx()
        yield servers


def needed_tools() -> tuple[str, ...]:
    """Names of the tools (see `connectors.services.tools`) that starting the servers here still needs.

    Raises:
        ServerFailed: the environment asks for a provider or names a server in a way that cannot be used.
    """
    if provider() == "compose":
        return ()
    needed: list[str] = []
    if not named_kafka():
        needed += ["java"] if in_cache(kafka_server.KEY) else KAFKA_TOOLS
    if not named_influx() and not in_cache(influxdb.KEY):
        needed += INFLUX_TOOLS
    return tuple(needed)


def prepare(kafka: bool = True, influx: bool = True, say: Say = say_on_stderr) -> None:
    """Fetch or build now what starting the servers will need, where it is not in the cache; named ones need nothing."""
    if provider() == "compose":
        return
    if kafka and not named_kafka():
        kafka_server.archive(kafka_server.jars(say))
    if influx and not named_influx():
        influxdb.binary(say)


def up(
    only: ServerName | None = None,
    *,
    while_pid: int | None = None,
    secure: bool = False,
    directory: Path | None = None,
    say: Say = say_on_stderr,
) -> tuple[ServerStatus, ...]:
    """Start the servers and leave them running, until `down` or, with ``while_pid``, until that process ends.

    ``secure``: they let nobody in without a key, now and at every later start.
    """
    claim = DETACHED if while_pid is None else str(ProcessId.of(while_pid))
    servers = LocalServices(directory, claim=claim, secure=secure, say=say)
    if only in (None, "kafka"):
        servers.start_kafka()
    if only in (None, "influx"):
        servers.start_influx()
    return status(directory)


def down(only: ServerName | None = None, *, directory: Path | None = None) -> tuple[str, ...]:
    """Stop this clone's servers, whoever holds them; returns the names of those that ran. Named servers go on."""
    where = directory or state_directory()
    wanted = [server for server in SERVERS if only in (None, server)]
    running = tuple(server for server in wanted if read_record(where, server))
    for server in wanted:
        release(server, where, None)
    return running


def status(directory: Path | None = None) -> tuple[ServerStatus, ...]:
    """Each server: who runs it, its address, and whether it answers now."""
    where = directory or state_directory()
    kafka_record, influx_record = read_record(where, "kafka"), read_record(where, "influx")
    bootstrap = named_kafka() or (kafka_record["settings"]["kafka"] if kafka_record else "")
    influx = named_influx() or (_as_influx(influx_record["settings"]) if influx_record else None)
    if named_kafka():
        kafka_answers = _named_answers(bootstrap)
    else:
        kafka_answers = kafka_record is not None and kafka_server.ready(
            bootstrap, operator_options(kafka_record["settings"])
        )
    return (
        ServerStatus("kafka", _who("named" if named_kafka() else "", kafka_record), bootstrap, kafka_answers),
        ServerStatus(
            "influx",
            _who("named" if named_influx() else "", influx_record),
            influx.url if influx else "",
            bool(influx and influxdb.accepts(influx)),
        ),
    )


def _named_answers(bootstrap: str) -> bool:
    """Whether somebody is there; where a key is needed, whether ours is one is for our clients to say."""
    if os.environ.get("DOSETWIN_KAFKA_PROTOCOL", "PLAINTEXT") == "PLAINTEXT":
        return kafka_server.ready(bootstrap)
    return any(answers(address) for address in bootstrap.split(","))


def _who(named: str, record: dict[str, object] | None) -> str:
    return named or (str(record["provider"]) if record else "")


def _as_influx(settings: dict[str, str]) -> Influx:
    url, token, org, bucket = (settings[f"influx_{name}"] for name in ("url", "token", "org", "bucket"))
    return Influx(url, token, org, bucket, settings.get("influx_ca", ""))
