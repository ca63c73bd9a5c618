"""``dosetwin audit run|verify``: a chain of all that was said of alerts, in which no change goes unseen."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from streams.terminal.options import Kafka, Prefix, examples

app = typer.Typer(name="audit", no_args_is_help=True, help="Keep a chain of what was said of alerts, or verify it.")


@app.command(epilog=examples("dosetwin audit run", "dosetwin audit run --once"))
def run(
    once: Annotated[bool, typer.Option("--once", help="end with what there is now")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Tell of every record of the alerts on twin.audit, each with the hash of the one before, until interrupted.

    One does so at a time: whoever begins takes over from who ran before, which then ends.
    """
    import signal
    import threading

    from kafka.errors import KafkaError

    from connectors.alerts.audit import write_chain
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import TopicError
    from connectors.settings import SettingsError, load_settings

    asked = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: asked.set())
    try:
        count = write_chain(load_settings(kafka=kafka, topic_prefix=prefix), asked.is_set, follow=not once)
    except (SettingsError, KafkaUnreachable, TopicError, KafkaError) as error:
        typer.echo(f"dosetwin: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(1) from None
    print(f"{count} records told of", file=sys.stderr)


@app.command(epilog=examples("dosetwin audit verify"))
def verify(kafka: Kafka = None, prefix: Prefix = None) -> None:
    """Whether the chain holds, and tells of every alert that is still kept: what is wrong, and exit code 1."""
    from connectors.alerts.audit import verify_chain
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.settings import SettingsError, load_settings

    try:
        found = verify_chain(load_settings(kafka=kafka, topic_prefix=prefix))
    except (SettingsError, KafkaUnreachable) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    for number, faults in found.items():
        for fault in faults:
            typer.echo(f"partition {number}: {fault}")
    if any(found.values()):
        raise typer.Exit(1)
    typer.echo("the chain holds")
