"""``dosetwin rejected list|resend``: what could not be used, and sending it again when that is mended."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import Kafka, Prefix, examples

if TYPE_CHECKING:
    from connectors.kafka.dead_letters import Wanted

app = typer.Typer(name="rejected", no_args_is_help=True, help="List events that could not be used, or send them again.")

Reason = Annotated[str | None, typer.Option("--reason", help="those of this reason alone, as 'unknown_model'")]
Patient = Annotated[str | None, typer.Option("--patient", help="those of this patient alone")]
Topic = Annotated[str | None, typer.Option("--topic", help="those that came on this topic alone, without prefix")]
Since = Annotated[
    datetime | None,
    typer.Option("--since", formats=["%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z"],
                 help="those rejected then or later; with an offset, as 2026-01-05T08:00Z"),
]  # fmt: skip


@app.command("list", epilog=examples("dosetwin rejected list", "dosetwin rejected list --reason unknown_unit --json"))
def list_(
    reason: Reason = None,
    patient: Patient = None,
    topic: Topic = None,
    since: Since = None,
    json: Annotated[
        bool, typer.Option("--json", help="a JSON object a line, with the original bytes in base64")
    ] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """What could not be used, with its reason and how to mend it; the last line counts them by reason."""
    from collections import Counter

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.dead_letters import letters
    from connectors.privacy.master_key import KeysUnusable
    from connectors.settings import SettingsError, load_settings

    counts: Counter[str] = Counter()
    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        for letter in letters(settings, _wanted(reason, patient, topic, since)):
            one = letter.rejected
            counts[one.reason] += 1
            if json:
                typer.echo(one.model_dump_json(exclude_none=True))
                continue
            when = datetime.fromtimestamp(letter.arrived_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
            typer.echo(f"{when}  {one.topic}[{one.partition}]@{one.offset}  {one.patient_id or '-'}  {one.reason}")
            typer.echo(f"    {one.detail}")
    except (SettingsError, KafkaUnreachable, KeysUnusable, ValueError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    told = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    print(told or "nothing was rejected", file=sys.stderr)


@app.command(
    epilog=examples("dosetwin rejected resend --reason unknown_model", "dosetwin rejected resend --patient P-0009")
)
def resend(
    reason: Reason = None,
    patient: Patient = None,
    topic: Topic = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="whatever was rejected")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Send the original bytes once more to their topics, when what they lacked is mended.

    What was told already changes nothing; what still cannot be used is rejected again.
    """
    from kafka.errors import KafkaError

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.dead_letters import cannot_be_sent, letters, send_again
    from connectors.privacy.master_key import KeysUnusable
    from connectors.settings import SettingsError, load_settings

    if not (everything or reason or patient or topic or since):
        raise typer.BadParameter("say which: --reason, --patient, --topic, --since, or --all")
    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        chosen = list(letters(settings, _wanted(reason, patient, topic, since)))
        for letter in chosen:
            if why := cannot_be_sent(letter, settings.topic_prefix):
                one = letter.rejected
                typer.echo(f"left out: {one.topic}[{one.partition}]@{one.offset}: {why}", err=True)
        sent = send_again(settings, chosen)
    except (SettingsError, KafkaUnreachable, KeysUnusable, KafkaError, ValueError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{sent} of {len(chosen)} sent again")


def _wanted(reason: str | None, patient: str | None, topic: str | None, since: datetime | None) -> Wanted:
    from connectors.kafka.dead_letters import Wanted

    return Wanted(reason, patient, topic, since)
