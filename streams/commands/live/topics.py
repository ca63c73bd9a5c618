"""``dosetwin topics create|list``: the topics of the event vocabulary on the broker."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.terminal.options import Kafka, Prefix, examples

app = typer.Typer(name="topics", no_args_is_help=True, help="Create or list the topics on the broker.")


@app.command(epilog=examples("dosetwin topics create --partitions 8"))
def create(
    kafka: Kafka = None,
    prefix: Prefix = None,
    partitions: Annotated[int | None, typer.Option(help="of every topic; by default DOSETWIN_PARTITIONS")] = None,
) -> None:
    """Create the topics that are missing, all with the same number of partitions.

    Those that DOSETWIN_KEEP_TOPICS names, as 'iomt.vitals=14,twin.rejected=30' in days, keep so long from then on.
    """
    from kafka.errors import KafkaError

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import AUDIT_TOPICS, TOPICS, TopicError, ensure_topics, keep_topics
    from connectors.settings import SettingsError, load_settings

    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix, partitions=partitions)
        created = ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions, (*TOPICS, *AUDIT_TOPICS))
        changed = keep_topics(settings.kafka, settings.topic_prefix)
    except (SettingsError, KafkaUnreachable, TopicError, KafkaError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"created: {', '.join(created)}" if created else "every topic was there")
    if changed:
        typer.echo(f"kept as DOSETWIN_KEEP_TOPICS says from now on: {', '.join(changed)}")


@app.command("list", epilog=examples("dosetwin topics list"))
def list_topics(kafka: Kafka = None, prefix: Prefix = None) -> None:
    """List the topics with their partitions. Exit code 1 if one is missing or has another number of them."""
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import AUDIT_TOPICS, TOPICS, TopicError, describe_topics
    from connectors.settings import SettingsError, load_settings

    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        states = describe_topics(settings.kafka, settings.topic_prefix, (*TOPICS, *AUDIT_TOPICS))
    except (SettingsError, KafkaUnreachable, TopicError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    for state in states:
        typer.echo(f"{state.name:40} {state.partitions or 'missing'}")
    if any(state.partitions != settings.partitions for state in states):
        raise typer.Exit(1)
