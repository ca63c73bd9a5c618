"""``dosetwin listen mllp|http|mqtt|fhir|again|token|secret``: what hospitals and wearables send, as it comes.

A message is acknowledged when Kafka has all that it tells. What each source told before stands in a folder of the
feed's own; it survives a restart, and whoever takes it away lets corrections lose what they correct.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import (
    MEMORY,
    Certificate,
    Format,
    Kafka,
    Level,
    LogFormat,
    LogLevel,
    Prefix,
    PrivateKey,
    Remembered,
    RunningOptions,
    examples,
)

app = typer.Typer(name="listen", no_args_is_help=True, help="Take what hospitals and wearables send, as it comes.")

Host = Annotated[str, typer.Option(help="where to listen; by default this machine alone")]
Authority = Annotated[
    Path | None,
    typer.Option("--authority", exists=True, dir_okay=False, help="senders need a certificate of this authority, PEM"),
]
Plain = Annotated[
    bool, typer.Option("--plain", help="take facts without TLS from other machines, in a network of your own")
]


class DoorOptions(NamedTuple):
    """Where senders come in, and who may."""

    host: Host = "127.0.0.1"
    certificate: Certificate = None
    key: PrivateKey = None
    authority: Authority = None
    plain: Plain = False


@app.command(epilog=examples("dosetwin listen mllp lab-east.toml --port 2575"))
@with_sets
def mllp(
    profile: Annotated[Path, typer.Argument(help="the source's profile", exists=True, dir_okay=False)],
    port: Annotated[int, typer.Option(help="0 takes any free port", min=0, max=65535)] = 2575,
    peer: Annotated[list[str] | None, typer.Option(help="address that may connect; repeatable; any without")] = None,
    memory: Remembered = MEMORY,
    *,
    door: DoorOptions,
    running: RunningOptions,
) -> None:
    """Take HL7 v2 messages over MLLP until a signal: results, pumps, orders to pumps, alarms, monitors."""
    from streams.listening import Place, listen_mllp

    places = _places(door, port, memory, running)
    _run(lambda place: listen_mllp(place, profile, frozenset(peer or ())), Place, places, running)


@app.command(epilog=examples("dosetwin listen http tokens.toml --port 8502"))
@with_sets
def http(
    tokens: Annotated[Path, typer.Argument(help="who may send what", exists=True, dir_okay=False)],
    port: Annotated[int, typer.Option(help="0 takes any free port", min=0, max=65535)] = 8502,
    memory: Remembered = MEMORY,
    *,
    door: DoorOptions,
    running: RunningOptions,
) -> None:
    """Take events, and messages of sources with a profile, over HTTP until a signal."""
    from streams.listening import Place, listen_http

    places = _places(door, port, memory, running)
    _run(lambda place: listen_http(place, tokens), Place, places, running)


@app.command(
    epilog=examples(
        "dosetwin listen mqtt wrists.toml --broker 127.0.0.1:1883",
        "dosetwin listen mqtt wrists.toml pumps.toml --broker mqtt.ward:8883 --authority ca.pem",
    )
)
@with_sets
def mqtt(
    profiles: Annotated[list[Path], typer.Argument(help="profiles of the sources", exists=True, dir_okay=False)],
    broker: Annotated[str, typer.Option(help="HOST:PORT")] = "127.0.0.1:1883",
    client_id: Annotated[
        str, typer.Option(help="the session's name; another for each listener of a broker")
    ] = "dosetwin",
    session_days: Annotated[
        float, typer.Option(help="how long the broker keeps what comes while this is away", min=1)
    ] = 7,
    tls: Annotated[bool, typer.Option("--tls", help="with the system's authorities")] = False,
    authority: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TLS, with a broker of this authority, PEM")
    ] = None,
    certificate: Certificate = None,
    key: PrivateKey = None,
    plain: Annotated[bool, typer.Option("--plain", help="a broker of another machine without TLS")] = False,
    memory: Remembered = MEMORY,
    *,
    running: RunningOptions,
) -> None:
    """Take what is published over MQTT 5 until a signal; DOSETWIN_MQTT_USERNAME and DOSETWIN_MQTT_PASSWORD log in."""
    from connectors.listeners.mqtt import broker_at
    from connectors.settings import SettingsError
    from connectors.tls import client_tls
    from streams.listening import Place, listen_mqtt

    try:
        secured = client_tls(tls, authority, certificate, key)
        where = broker_at(broker, client_id, session_days, secured and secured.context, plain=plain)
    except (ValueError, SettingsError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(2) from None
    places = {"host": where.host, "port": where.port, "memory": memory, "metrics": running.metrics, "tls": secured}
    _run(lambda place: listen_mqtt(place, profiles, where), Place, places, running)


@app.command(epilog=examples("dosetwin listen fhir ehr.toml --server https://ehr.example/fhir"))
@with_sets
def fhir(
    profile: Annotated[Path, typer.Argument(help="the source's profile", exists=True, dir_okay=False)],
    server: Annotated[str, typer.Option(help="base address of the server; that of the profile without")] = "",
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"], help="where it was never read: from when on, UTC"),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="read from --since on although it was read before")] = False,
    every: Annotated[float, typer.Option(help="seconds between two readings", min=0.1, max=86_400)] = 10.0,
    count: Annotated[int, typer.Option(help="versions on a page", min=1, max=1000)] = 200,
    subscribe: Annotated[
        str, typer.Option(help="our address as the server reaches it: have it notify us (R4 rest-hook), to read sooner")
    ] = "",
    port: Annotated[int, typer.Option(help="for notifications; 0 takes any free port", min=0, max=65535)] = 8503,
    memory: Remembered = MEMORY,
    *,
    door: DoorOptions,
    running: RunningOptions,
) -> None:
    """Read what is new on a FHIR R4 server until a signal: its histories, deletions too, and what they refer to."""
    from connectors.listeners.fhir.asked import Asked
    from streams.listening import Place, listen_fhir

    begins = since.replace(tzinfo=UTC) if since is not None else None
    asked = Asked(server, begins, again, every, count, subscribe, door.plain)
    places = _places(door, port, memory, running)
    _run(lambda place: listen_fhir(place, profile, asked), Place, places, running)


@app.command(epilog=examples("dosetwin listen again lab-east.toml"))
def again(
    profile: Annotated[Path, typer.Argument(help="the source's profile", exists=True, dir_okay=False)],
    memory: Remembered = MEMORY,
    kafka: Kafka = None,
    prefix: Prefix = None,
    log_level: Level = LogLevel.INFO,
    log_format: Format = LogFormat.TEXT,
) -> None:
    """Read messages of which something was refused again, by a mended profile; stop the source's way in first."""
    from streams.listening import Place, listen_again

    running = RunningOptions(kafka, prefix, log_level=log_level, log_format=log_format)
    places = _places(DoorOptions(), 0, memory, running)
    _run(lambda place: listen_again(place, profile), Place, places, running)


@app.command(epilog=examples("dosetwin listen token"))
def token() -> None:
    """Make a token: it is said once, with the digest that goes into the file of tokens."""
    import hashlib
    import secrets

    made = secrets.token_urlsafe(32)
    typer.echo(f"token:  {made}")
    typer.echo(f"sha256: {hashlib.sha256(made.encode()).hexdigest()}")


@app.command(epilog=examples("dosetwin listen secret"))
def secret() -> None:
    """Make a secret for a source that signs its messages (Standard Webhooks): it is said once, here."""
    from connectors.webhooks import new_secret

    typer.echo(new_secret())


def _places(door: DoorOptions, port: int, memory: Path, running: RunningOptions) -> dict[str, Any]:
    """Where to listen and what to keep there, with TLS where it is asked for or needed."""
    from connectors.tls import TlsError, refuse_in_the_clear, server_tls

    try:
        tls = server_tls(door.certificate, door.key, door.authority)
        refuse_in_the_clear(door.host, tls, plain=door.plain)
    except TlsError as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(2) from None
    return {"host": door.host, "port": port, "memory": memory, "metrics": running.metrics, "tls": tls}


def _run(listen: Any, place: Any, places: dict[str, Any], running: RunningOptions) -> None:
    """Listen until a signal; errors that the user can mend end it plainly."""
    import asyncio
    import json
    import sys

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import TopicError
    from connectors.listeners.intake import NotSafe
    from connectors.privacy.master_key import KeysUnusable
    from connectors.settings import load_settings
    from streams.terminal.logs import log_to_stderr
    from streams.terminal.signals import stop_at_signals

    log_to_stderr(running.log_level, running.log_format)
    stop = stop_at_signals()
    try:
        settings = load_settings(kafka=running.kafka, topic_prefix=running.prefix)
        counted = asyncio.run(listen(place(settings=settings, stop=stop, **places)))
    except (KafkaUnreachable, TopicError, NotSafe, OSError, ValueError, KeysUnusable) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    print(json.dumps(counted), file=sys.stderr, flush=True)
