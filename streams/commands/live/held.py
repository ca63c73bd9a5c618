"""``dosetwin held list|release``: what the twins keep and do not count, and letting it count."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer

from streams.terminal.options import Kafka, Prefix, examples

app = typer.Typer(name="held", no_args_is_help=True, help="List events that are held and not counted, or release them.")

_FORMATS = ["%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]
Begins = Annotated[
    datetime | None,
    typer.Option("--begins", formats=_FORMATS, help="all that is held from then on; with an offset, 2001-01-05T08:00Z"),
]
Ends = Annotated[datetime | None, typer.Option("--ends", formats=_FORMATS, help="and up to then, with 'begins'")]


@app.command("list", epilog=examples("dosetwin held list", "dosetwin held list --patient P-0009 --json"))
def list_(
    patient: Annotated[str | None, typer.Option("--patient", help="those of this patient alone")] = None,
    json: Annotated[bool, typer.Option("--json", help="a JSON object a line")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """What is held of each patient and why, as the workers' newest state rows have it; the last line counts.

    A row that cannot be read is named, and makes the command fail.
    """
    from dataclasses import asdict

    import msgspec

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.privacy.master_key import KeysUnusable
    from connectors.privacy.patient_keys import KeyDestroyed, KeyMissing, patient_keys
    from connectors.settings import SettingsError, load_settings
    from streams.worker.rows.changelog import changelog_of
    from streams.worker.rows.encrypted_row import opened_row
    from streams.worker.rows.held_events import held_in, newest_rows
    from streams.worker.rows.state_row import UnreadableRow
    from twin.patient.state_row import UnreadableState

    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        keys = patient_keys()
        rows = newest_rows(settings, changelog_of(settings))
    except (SettingsError, KeysUnusable, KafkaUnreachable, ValueError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    count = unreadable = 0
    for name in sorted(rows if patient is None else rows.keys() & {patient}):
        try:
            held = list(held_in(opened_row(rows[name], name, keys)))
        except (UnreadableRow, UnreadableState, KeyMissing, KeyDestroyed) as error:
            unreadable += 1
            typer.echo(f"dosetwin: row of {name}: {error}; 'dosetwin patient repair {name}' makes it anew", err=True)
            continue
        except KeysUnusable as error:
            typer.echo(f"dosetwin: {error}", err=True)
            raise typer.Exit(1) from None
        count += len(held)
        for one in held:
            if json:
                typer.echo(msgspec.json.encode(asdict(one)).decode())
                continue
            times = [time.isoformat(timespec="seconds") for time in dict.fromkeys((one.begins, one.ends))]
            typer.echo(f"{one.patient_id}  {' to '.join(times)}  {one.what}  {one.event_id or '-'}\n    {one.why}")
    print(f"{count} held" if count else "nothing is held", file=sys.stderr)
    if unreadable:
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        "dosetwin held release P-0009 5f0c2a9be1d44a37",
        "dosetwin held release P-0009 --begins 2001-01-05T08:00Z --ends 2001-01-05T12:00Z",
    )
)
def release(
    patient: str,
    events: Annotated[list[str] | None, typer.Argument(metavar="[EVENT_ID]...", help="as 'held list' says")] = None,
    begins: Begins = None,
    ends: Ends = None,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Let events, or all from --begins to --ends, count as if they had never been held: a clinician's word."""
    from datetime import UTC

    from pydantic import ValidationError

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.publish import publish
    from connectors.settings import SettingsError, load_settings
    from streams.worker.rows.held_events import release_of
    from twin.events.malformed import first_fault

    try:
        word = release_of(patient, datetime.now(UTC), events or (), begins, ends)
    except ValidationError as error:
        raise typer.BadParameter(first_fault(error, whole="")) from None
    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        published = publish(settings.kafka, [(None, word)], settings.topic_prefix)
    except (SettingsError, KafkaUnreachable) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    if not published.complete:
        typer.echo("dosetwin: the broker did not confirm the release; send it again once it is well", err=True)
        raise typer.Exit(1)
    typer.echo(f"{patient}: release {word.event_id} sent; it counts when the worker has read it")
