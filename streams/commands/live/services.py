"""``dosetwin services up|down|status``: Kafka and InfluxDB on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import examples

if TYPE_CHECKING:
    from connectors.services.servers import ServerName, ServerStatus

app = typer.Typer(name="services", no_args_is_help=True, help="Start, stop and show this clone's Kafka and InfluxDB.")


class Server(StrEnum):
    """What can be started by itself."""

    kafka = "kafka"
    influx = "influx"


Only = Annotated[Server | None, typer.Option("--only", help="just this server")]


@app.command(
    epilog=examples("dosetwin services up", "dosetwin services up --only kafka", "dosetwin services up --secure")
)
def up(
    only: Only = None,
    secure: Annotated[
        bool,
        typer.Option("--secure", help="let nobody in without a key: TLS, a user with its own rights for each part"),
    ] = False,
    while_pid: Annotated[int | None, typer.Option("--while-pid", help="stop when this process ends")] = None,
) -> None:
    """Start the servers and leave them running (first use: fetches Kafka and builds InfluxDB, about five minutes)."""
    from connectors.services import servers

    with _explained():
        found = servers.up(_name(only), while_pid=while_pid, secure=secure)
        given = _admit() if secure and only is not Server.influx else {}
        _show(found)
        if only is not Server.kafka:
            _keep_bucket()
    if given:
        typer.echo(f"roles: {', '.join(sorted(given))}; to act as one: set -a; . {given['worker']}; set +a")


@app.command(epilog=examples("dosetwin services down"))
def down(only: Only = None) -> None:
    """Stop the servers that run in this clone, whoever started them. Their files stay."""
    from connectors.services import servers

    with _explained():
        stopped = servers.down(_name(only))
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "no server was running")


@app.command(epilog=examples("dosetwin services status --json"))
def status(as_json: Annotated[bool, typer.Option("--json", help="one JSON list")] = False) -> None:
    """Show each server: who runs it, its address, whether it answers. Exit code 1 if one does not."""
    from connectors.services import servers

    with _explained():
        found = servers.status()
    if as_json:
        typer.echo(json.dumps([vars(server) for server in found]))
    else:
        _show(found)
    if not all(server.answers for server in found):
        raise typer.Exit(1)


@app.command(epilog=examples("dosetwin services keys /etc/dosetwin/keys"))
def keys(
    folder: Annotated[Path, typer.Argument(help="gets a folder for each part, with what it enters by")],
    host: Annotated[
        list[str] | None,
        typer.Option("--host", help="name of the servers beside kafka, influxdb and localhost; repeatable"),
    ] = None,
) -> None:
    """Make the keys of servers in containers: see docker-compose.secure.yml. What is there is kept."""
    from streams.key_folders import make_keys

    with _explained():
        made = make_keys(folder, tuple(host or ()))
    typer.echo(
        f"keys: {folder}; docker compose --env-file {made} -f docker-compose.yml -f docker-compose.secure.yml up"
    )


@app.command(epilog=examples("dosetwin services admit /etc/dosetwin/keys"))
def admit(folder: Annotated[Path, typer.Argument(help="as 'dosetwin services keys' made it")]) -> None:
    """Make topics and give each part its rights on the servers that the environment names, entered as the operator."""
    from connectors.kafka.topics import TopicError
    from streams.key_folders import admit_all

    with _explained():
        try:
            given = admit_all(folder)
        except TopicError as error:
            typer.echo(f"dosetwin: {error}", err=True)
            raise typer.Exit(1) from None
    typer.echo(f"roles: {', '.join(given)}")


def _admit() -> Mapping[str, Path]:
    """Give every role its rights; servers that the environment names have an administrator of their own."""
    from connectors.services.servers import named_kafka
    from connectors.settings import load_settings
    from streams.roles import admit

    return {} if named_kafka() else admit(load_settings())


def _keep_bucket() -> None:
    """Let the bucket keep points as DOSETWIN_KEEP_BUCKETS says, where that names it."""
    from connectors.privacy.retention import Retention, days_in_words
    from connectors.services.influxdb import keep
    from connectors.settings import load_settings
    from connectors.sinks.influx import Settings

    to, wanted = load_settings(Settings), load_settings(Retention).of_buckets()
    if to.bucket in wanted and keep(to.server, wanted[to.bucket]):
        typer.echo(f"bucket {to.bucket} keeps points {days_in_words(wanted[to.bucket])} from now on")


def _show(found: tuple[ServerStatus, ...]) -> None:
    for server in found:
        state = "answers" if server.answers else "does not answer" if server.address else "not running"
        provider = f" ({server.provider})" if server.provider else ""
        typer.echo(f"{server.name:7} {server.address or '-':28} {state}{provider}")


def _name(only: Server | None) -> ServerName | None:
    return None if only is None else only.value


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what can go wrong with servers into one line on stderr and exit code 1."""
    import psutil

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.services.influxdb import InfluxError
    from connectors.services.kafka import WrongJar
    from connectors.services.launch import ServerFailed
    from connectors.services.progress import CommandFailed
    from connectors.services.tools import MissingTool
    from connectors.settings import SettingsError

    try:
        yield
    except psutil.NoSuchProcess as error:
        typer.echo(f"dosetwin: --while-pid {error.pid}: there is no such process", err=True)
    except (ServerFailed, CommandFailed, MissingTool, WrongJar, InfluxError, KafkaUnreachable, SettingsError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
    else:
        return
    raise typer.Exit(1)
