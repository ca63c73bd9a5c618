"""``dosetwin sink NAME``: the stream into another system, until it is told to stop.

A sink's options follow from the settings that its module declares; secrets come from the environment alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import RunningOptions, examples
from streams.terminal.plugin_group import plugin_group, with_options

if TYPE_CHECKING:
    from connectors.settings import PartSettings
    from connectors.sinks import Sink
    from twin.registry import Found, Plugin

SHOWN_TYPES = (bool, int, float, Path)
"""Types of settings that an option takes as such; others are text that the settings judge."""

HELP = "Carry the stream to other systems, each in a consumer group of its own."


def _found() -> Found[Sink]:
    from connectors.sinks import sinks

    return sinks()


def _callback_of(plugin: Plugin[Sink]) -> Callable[..., None]:
    """The sink as a function that typer can read: the shared options, and one for each setting that is no secret."""

    @with_sets
    def run(*, running: RunningOptions, **its: Any) -> None:
        from streams.terminal.logs import log_to_stderr

        log_to_stderr(running.log_level, running.log_format)
        carry(plugin.offer, its, kafka=running.kafka, prefix=running.prefix, metrics=running.metrics)

    return with_options(run, _options(plugin.offer.Settings), _help(plugin))


def _options(settings: type[PartSettings]) -> list[inspect.Parameter]:
    options = []
    for name, field in settings.model_fields.items():
        if field.repr:
            kind: Any = field.annotation if field.annotation in SHOWN_TYPES else str
            says = "; ".join(filter(None, (field.description, f"by default {settings.variable(name)}")))
            annotation = Annotated[kind | None, typer.Option(help=says)]
            options.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    return options


def _help(plugin: Plugin[Sink]) -> str:
    settings = plugin.offer.Settings
    secrets = [settings.variable(name) for name, field in settings.model_fields.items() if not field.repr]
    return "\n\n".join(
        [
            plugin.summary,
            *([f"From the environment alone: {', '.join(secrets)}."] if secrets else []),
            "Stops at SIGTERM or SIGINT, with the counts of what was done as a line of JSON on stderr.",
        ]
    )


def carry(
    sink: Sink, its: dict[str, Any], *, kafka: str | None, prefix: str | None, metrics: tuple[int | None, str]
) -> None:
    """Run a sink with ``its`` own settings as given, until a signal; errors that the user can mend end it plainly.

    ``metrics`` are port and address of its page for machines.
    """
    import json
    import sys

    from kafka.errors import KafkaError

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import TopicError, ensure_topics
    from connectors.privacy.master_key import KeysUnusable
    from connectors.settings import SettingsError, load_settings
    from connectors.sinks import open_sink
    from streams.terminal.metrics_page import Health, metrics_page
    from streams.terminal.signals import stop_at_signals

    stop = stop_at_signals()
    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        own = load_settings(sink.Settings, **its)
        ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
        with open_sink(sink, settings, own) as delivery:
            health = Health(delivery.dead, lambda: delivery.dead() or delivery.waiting())
            with metrics_page(delivery.metrics.registry, *metrics, health):
                delivery.run(stop)
    except (SettingsError, KafkaUnreachable, KeysUnusable, TopicError, KafkaError, OSError, ValueError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    print(json.dumps(delivery.summary()), file=sys.stderr, flush=True)


app = typer.Typer(name="sink", no_args_is_help=True, help=HELP, cls=plugin_group(_found, _callback_of))


@app.callback(epilog=examples("dosetwin sink influx", "dosetwin sink influx --metrics-port 9464 --log-format json"))
def sink() -> None:
    """Carry the stream to other systems, each in a consumer group of its own."""
