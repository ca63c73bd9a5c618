"""``dosetwin audit run|verify|export``: what was said of alerts and who looked; no change goes unseen."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from streams.terminal.options import Kafka, Prefix, examples

_FORMATS = ["%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]

app = typer.Typer(
    name="audit",
    no_args_is_help=True,
    help="Keep chains of what was said of alerts and of who looked, verify them, or tell who looked.",
)


@app.command(epilog=examples("dosetwin audit run", "dosetwin audit run --once"))
def run(
    once: Annotated[bool, typer.Option("--once", help="end with what there is now")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Chain every alert on twin.audit and every access on twin.accesses-audit until interrupted.

    Each link has the hash of the one before.

    One does so at a time: whoever begins takes over from who ran before, which then ends.
    """
    import signal
    import threading

    from kafka.errors import KafkaError

    from connectors.audit.keeping import write_chain
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
    """Whether the chains hold and tell of every alert and access that is kept: what is wrong, and exit code 1."""
    from connectors.audit.keeping import verify_chain
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.settings import SettingsError, load_settings

    try:
        found = verify_chain(load_settings(kafka=kafka, topic_prefix=prefix))
    except (SettingsError, KafkaUnreachable) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    for place, faults in found.items():
        for fault in faults:
            typer.echo(f"{place}: {fault}")
    if any(found.values()):
        raise typer.Exit(1)
    typer.echo("the chains hold")


class Form(StrEnum):
    """``balp``: FHIR R4 AuditEvents as IHE's Basic Audit Log Patterns ask; ``plain``: as it stands on the topic."""

    BALP = "balp"
    PLAIN = "plain"


@app.command(
    epilog=examples(
        "dosetwin audit export --format balp --since 2026-11-01T00:00Z",
        "dosetwin audit export --patient P-0017 --format plain",
    )
)
def export(
    form: Annotated[Form, typer.Option("--format", help=(Form.__doc__ or "").replace("``", ""))] = Form.BALP,
    patient: Annotated[str | None, typer.Option("--patient", help="who looked at this one, also among others")] = None,
    who: Annotated[str | None, typer.Option("--who", help="what this account or token did")] = None,
    since: Annotated[datetime | None, typer.Option("--since", formats=_FORMATS, help="from then on")] = None,
    until: Annotated[datetime | None, typer.Option("--until", formats=_FORMATS, help="before then")] = None,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Tell who looked, acted or was refused, one JSON object a line, by time; verify first that nothing is missing."""
    import msgspec

    from connectors.audit.reading import accesses, asked_for, ended
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.protocols.fhir.audit_events import of_access
    from connectors.settings import SettingsError, load_settings

    try:
        told, bad = accesses(load_settings(kafka=kafka, topic_prefix=prefix))
    except (SettingsError, KafkaUnreachable) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    for access in asked_for(ended(told), patient, who, since, until):
        for one in of_access(access, patient) if form is Form.BALP else (access,):
            sys.stdout.write(msgspec.json.encode(one).decode() + "\n")
    if bad:
        typer.echo(f"dosetwin: {bad} records of twin.accesses are no accesses: 'dosetwin audit verify'", err=True)
        raise typer.Exit(1)
