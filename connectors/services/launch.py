"""Starting one server under a keeper, joining one that runs already, and letting go of it."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from connectors.services import compose, influxdb, kafka
from connectors.services.keys import keys_of
from connectors.services.keys.certificates import INFLUXDB, authority, issue, operator_options, operator_settings
from connectors.services.keys.tokens import give_tokens
from connectors.services.ports import free_ports
from connectors.services.progress import Cancelled, Say, last_lines, run
from connectors.services.run_state import private_directory, read_record, remove_record, write_private, write_record
from connectors.services.supervisor import ProcessId, add_claim, environment, held, locked, python_module, remove_claim

SERVERS = ("kafka", "influx")

READY_SECONDS = 120.0
"""How long a server may take until it answers."""

STOPPED_SECONDS = 60.0
"""How long a server may take to stop."""

DELETED_SECONDS = 600.0
"""How long that and deleting its files may take: hundreds of topics have tens of thousands of them."""

_ATTEMPTS = 3
"""Starts tried when a server ends at once: somebody may have taken its port between our look and its start."""

_keepers: list[subprocess.Popen[bytes]] = []
"""Keepers that this process started, held until they end: they are meant to outlive whoever holds them."""


@atexit.register
def _leave_keepers() -> None:
    """Those that others hold go on: the interpreter need not warn of children that it leaves behind."""
    for keeper in _keepers:
        if keeper.poll() is None:
            keeper.returncode = 0


class ServerFailed(RuntimeError):
    """A server did not come up, or would not go; the message has the end of its log."""


@dataclass(frozen=True)
class Plan:
    """What to run for one server, and the settings that reach it. ``ready`` asks it once; ``finish`` sets it up."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    afterwards: tuple[str, ...]
    settings: dict[str, str]
    ports: tuple[int, ...]
    secure: bool
    ready: Callable[[], bool]
    finish: Callable[[], None]


def start(
    server: str,
    directory: Path,
    claim: str,
    say: Say,
    *,
    provider: str,
    ephemeral: bool = False,
    secure: bool = False,
    cancelled: threading.Event | None = None,
) -> dict[str, str]:
    """Have ``server`` running in ``directory`` and held by ``claim``; returns the settings that reach it.

    ``ephemeral`` deletes the server's files when it stops. ``secure``: it lets nobody in without a key, now and at
    every later start.

    Raises:
        ServerFailed, MissingTool, CommandFailed, Cancelled: why there is no server.
    """
    place = private_directory(private_directory(directory) / server)
    if secure and provider == "compose":
        raise ServerFailed("containers are not locked from here: set DOSETWIN_SERVICES=local (docs/operations.md)")
    program = _fetch(server, directory, provider, say, cancelled)
    with locked(directory / f"{server}.lock"):
        running = read_record(directory, server)
        if running is not None:
            if not _answers(running["settings"]):
                raise ServerFailed(f"{server} runs, but does not answer: 'dosetwin services down' ends it")
            if secure and not running.get("secure"):
                raise ServerFailed(f"{server} runs without locks: 'dosetwin services down' first, then start it locked")
            add_claim(place / "claims", claim)
            return dict(running["settings"])
        remove_record(directory, server)
        for abandoned in (place / "claims").glob("*"):
            abandoned.unlink()
        add_claim(place / "claims", claim)
        begin = time.monotonic()
        if secure:
            private_directory(keys_of(place))
        try:
            settings = _launch(server, directory, program, provider, ephemeral, cancelled)
        except BaseException:
            remove_claim(place / "claims", claim)
            raise
        address = settings.get("kafka") or settings["influx_url"]
        say(f"{server} is up at {address} after {time.monotonic() - begin:.1f} s")
        return settings


def _answers(settings: dict[str, str]) -> bool:
    if "kafka" in settings:
        return kafka.ready(settings["kafka"], operator_options(settings))
    return influxdb.ready(settings["influx_url"], settings.get("influx_ca", ""))


def release(server: str, directory: Path, claim: str | None) -> None:
    """Give up ``claim`` (``None``: every claim); returns when the server has stopped, unless somebody else holds it.

    Raises:
        ServerFailed: it is held by nobody and does not stop.
    """
    claims = directory / server / "claims"
    with locked(directory / f"{server}.lock"):
        record = read_record(directory, server)
        for path in list(claims.glob("*")) if claim is None else [claims / claim]:
            path.unlink(missing_ok=True)
        if record is None or held(claims):
            return
    keeper, begin = ProcessId.parse(record["keeper"]), time.monotonic()
    while keeper.alive():
        waited = time.monotonic() - begin
        if waited > DELETED_SECONDS or (waited > STOPPED_SECONDS and _keeps_somebody(keeper)):
            raise ServerFailed(f"{server} (process {keeper.pid}) does not stop; see {directory / server / 'log'}")
        time.sleep(0.02)
    _keepers[:] = [process for process in _keepers if process.poll() is None]


def _keeps_somebody(keeper: ProcessId) -> bool:
    """Whether a keeper's server is still there."""
    try:
        return bool(psutil.Process(keeper.pid).children())
    except psutil.NoSuchProcess:
        return False


def _fetch(server: str, directory: Path, provider: str, say: Say, cancelled: threading.Event | None) -> Path:
    """Get what runs the server, outside the lock: it can take minutes."""
    if provider == "compose":
        seen = compose.environment(server, 0, "", environment(os.environ))
        title, log = f"fetching the image of {server}", directory / server / "fetch.log"
        run(compose.pull(server, directory), title=title, log=log, say=say, environment=seen, cancelled=cancelled)
        return compose.compose_file()
    return kafka.jars(say, cancelled) if server == "kafka" else influxdb.binary(say, cancelled)


def _launch(
    server: str,
    directory: Path,
    program: Path,
    provider: str,
    ephemeral: bool,
    cancelled: threading.Event | None,
) -> dict[str, str]:
    place = directory / server
    for attempt in range(_ATTEMPTS):
        plan = _plan(server, directory, program, provider, reuse_ports=attempt == 0)
        (place / "ports").write_text(" ".join(map(str, plan.ports)), encoding="ascii")
        keeper = _spawn_keeper(server, directory, plan, ephemeral)
        try:
            if _wait(keeper, plan.ready, server, place / "log", cancelled):
                plan.finish()
                who = str(ProcessId.of(keeper.pid))
                record = {"keeper": who, "provider": provider, "secure": plan.secure, "settings": plan.settings}
                write_record(directory, server, record)
                return plan.settings
        except BaseException:
            keeper.terminate()
            keeper.wait()
            raise
    raise ServerFailed(f"{server} ended as soon as it was started\n{last_lines(place / 'log')}")


def _plan(server: str, directory: Path, program: Path, provider: str, reuse_ports: bool) -> Plan:
    place = directory / server
    secure = keys_of(place).is_dir()
    ports = free_ports(3, _last_ports(place) if reuse_ports else ())
    if server == "kafka":
        bootstrap = f"127.0.0.1:{ports[0]}"
        settings = {"kafka": bootstrap}
        if secure:
            settings |= operator_settings(keys_of(place))
        ready, finish = (lambda: kafka.ready(bootstrap, operator_options(settings))), (lambda: None)
        token = ""
    else:
        url, token = f"{'https' if secure else 'http'}://127.0.0.1:{ports[0]}", _token(place)
        ca = str(authority(keys_of(place))) if secure else ""
        settings = {"influx_url": url, "influx_token": token}
        settings |= {"influx_org": influxdb.ORGANISATION, "influx_bucket": influxdb.BUCKET}
        settings |= {"influx_ca": ca} if ca else {}
        ready = lambda: influxdb.ready(url, ca)  # noqa: E731
        finish = lambda: _set_up(url, token, ca, keys_of(place) if secure else None)  # noqa: E731
    if provider == "compose":
        seen = compose.environment(server, ports[0], token, environment(os.environ))
        command, afterwards = compose.command(server, directory), compose.afterwards(server, directory)
        return Plan(command, seen, afterwards, settings, ports, False, ready, finish)
    if server == "kafka":
        command = kafka.prepare(place, program, *ports[:2], users=ports[2] if secure else None)
        if secure:
            settings["kafka_users"] = f"127.0.0.1:{ports[2]}"
    else:
        certificate = issue(keys_of(place), INFLUXDB) if secure else None
        command = influxdb.command(program, place, ports[0], certificate=certificate)
    return Plan(command, environment(os.environ), (), settings, ports, secure, ready, finish)


def _set_up(url: str, token: str, ca: str, keys: Path | None) -> None:
    influx = influxdb.set_up(url, token, ca)
    if not influxdb.accepts(influx):
        raise ServerFailed(f"InfluxDB at {url} was set up earlier with another token, which is lost: remove its folder")
    if keys is not None:
        give_tokens(influx, keys)


def _token(place: Path) -> str:
    """The server's token: random, made once, in a file that only its owner may read."""
    path = place / "token"
    if not path.is_file():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii")


def _last_ports(place: Path) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in (place / "ports").read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return ()


def _spawn_keeper(server: str, directory: Path, plan: Plan, ephemeral: bool) -> subprocess.Popen[bytes]:
    place = directory / server
    options: list[Any] = ["--claims", place / "claims", "--lock", directory / f"{server}.lock"]
    options += ["--record", directory / f"{server}.json"]
    if plan.afterwards:
        options += ["--afterwards", json.dumps(plan.afterwards)]
    if ephemeral:
        options += ["--remove", place]
    with open(os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        keeper = subprocess.Popen(
            python_module("connectors.services.supervisor", *options, "--", *plan.command),
            env=dict(plan.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
        )
    _keepers.append(keeper)
    return keeper


def _wait(
    keeper: subprocess.Popen[bytes],
    ready: Callable[[], bool],
    server: str,
    log: Path,
    cancelled: threading.Event | None,
) -> bool:
    """Wait until the server answers; ``False`` if it ended instead."""
    deadline = time.monotonic() + READY_SECONDS
    while keeper.poll() is None:
        if cancelled is not None and cancelled.is_set():
            raise Cancelled(f"starting {server} was cancelled")
        if ready():
            return True
        if time.monotonic() > deadline:
            raise ServerFailed(f"{server} does not answer after {READY_SECONDS:.0f} s\n{last_lines(log)}")
        time.sleep(0.1)
    return False
