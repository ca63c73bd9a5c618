"""``dosetwin devices run|send``: what pumps and wearables say that do not know their patient, and whose they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import Kafka, Prefix, RunningOptions, examples

BAD_LINES = 3
"""Exit code when at least one line could not be used."""

app = typer.Typer(
    name="devices", no_args_is_help=True, help="Give what devices say to the patients to whom they are bound."
)


@app.command(epilog=examples("dosetwin devices run", "dosetwin devices run --instance '{host}' --metrics-port 9470"))
@with_sets
def run(
    instance: Annotated[
        str,
        typer.Option(help="name of its own in the group: restarted under it, it has its devices back at once; "
                     "'{host}' is this machine's name"),
    ] = "",
    keep_days: Annotated[
        float, typer.Option(help="a word waits, and moves with its device's bindings, for so long after it arrived")
    ] = 7.0,
    keep_words: Annotated[int, typer.Option(help="and only the newest so many words of each device do")] = 2000,
    session_timeout: Annotated[
        float, typer.Option(min=6, max=90, help="seconds of silence after which its devices go to another process")
    ] = 10.0,
    begin_anew: Annotated[
        bool, typer.Option("--begin-anew", help="go on where the rows of a partition are lost")
    ] = False,
    *,
    running: RunningOptions,
) -> None:  # fmt: skip
    """Read the topic of devices, send events of patients; what nobody claims in time becomes a dead letter.

    Any number of processes share the devices out among them. SIGTERM stops one, with its counts as JSON on stderr.
    """
    import functools
    import json
    import sys

    import structlog
    from kafka.errors import KafkaError

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.membership import NameTaken, await_name, holder, name_on_this_machine
    from connectors.kafka.topics import DEVICE_TOPICS, TOPICS, TopicError, ensure_topics
    from connectors.privacy.master_key import KeysUnusable
    from connectors.settings import SettingsError, load_settings
    from streams.devices.partition import Bounds
    from streams.devices.rows import BadRow
    from streams.devices.stage import DeviceService, StageOptions, StateLost, group_of
    from streams.terminal.logs import log_to_stderr
    from streams.terminal.metrics_page import Health, metrics_page
    from streams.terminal.signals import stop_at_signals

    log_to_stderr(running.log_level, running.log_format)
    stop = stop_at_signals()
    try:
        settings = load_settings(kafka=running.kafka, topic_prefix=running.prefix)
        name = name_on_this_machine(instance)
        service = DeviceService(
            settings, StageOptions(Bounds(keep_days, keep_words), name, session_timeout, begin_anew)
        )
        ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions, (*TOPICS, *DEVICE_TOPICS))
        if name:
            say = structlog.get_logger("dosetwin.devices").warning
            look = functools.partial(holder, settings.kafka, group_of(settings), name)
            await_name(name, session_timeout + 5.0, look, say=say, pause=stop.wait)
        health = Health(service.dead, service.waiting)
        with metrics_page(service.metrics.registry, *running.metrics, health):
            service.run(stop)
    except (
        SettingsError, KafkaUnreachable, KeysUnusable, KafkaError, TopicError, NameTaken, StateLost, BadRow, OSError,
        ValueError,
    ) as error:  # fmt: skip
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    print(json.dumps(service.metrics.summary()), file=sys.stderr, flush=True)


@app.command(epilog=examples("dosetwin devices send words.ndjson bindings.ndjson"))
def send(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="a word or binding a line")],
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Send lines of NDJSON, each a device's word or a 'device_association', to the topic of devices.

    Exit code 3 if a line could not be used; it is named on stderr, and the others are sent.
    """
    import json

    from kafka.errors import KafkaError

    from connectors.feeds.bad_lines import BadLine
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import DEVICE_TOPICS, TOPICS, TopicError, ensure_topics
    from connectors.settings import SettingsError, load_settings
    from streams.devices.sending import send_files

    sent = bad = 0
    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions, (*TOPICS, *DEVICE_TOPICS))
        for said in send_files(settings, files):
            if isinstance(said, BadLine):
                bad += 1
                typer.echo(str(said), err=True)
            else:
                sent = said
    except (SettingsError, KafkaUnreachable, KafkaError, TopicError, OSError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps({"published": sent, "bad_lines": bad}), err=True)
    raise typer.Exit(BAD_LINES if bad else 0)
