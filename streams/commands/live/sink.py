"""``dosetwin sink influx``: the stream into InfluxDB, until it is told to stop."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="sink", no_args_is_help=True, help="Carry the stream to other systems, each in a consumer group of its own."
)


@app.callback()
def sink() -> None:
    """Carry the stream to other systems, each in a consumer group of its own."""


@app.command()
def influx(
    kafka: Annotated[str | None, typer.Option(help="bootstrap servers; by default DOSETWIN_KAFKA")] = None,
    prefix: Annotated[str | None, typer.Option(help="of the topics; by default DOSETWIN_TOPIC_PREFIX")] = None,
    url: Annotated[str | None, typer.Option(help="InfluxDB address; by default DOSETWIN_INFLUX_URL")] = None,
    bucket: Annotated[str | None, typer.Option(help="by default DOSETWIN_INFLUX_BUCKET")] = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR")] = "INFO",
) -> None:
    """Write estimates, forecasts, alerts, vitals and plans to InfluxDB; the token comes from DOSETWIN_INFLUX_TOKEN.

    Stops at SIGTERM or SIGINT, with the counts of what was done as a line of JSON on stderr.
    """
    import json
    import signal
    import sys
    import threading

    from kafka.errors import KafkaError

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import TopicError, ensure_topics
    from connectors.settings import SettingsError, load_settings
    from connectors.sinks.influx import open_sink
    from streams.terminal.logs import log_to_stderr

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    try:
        log_to_stderr(log_level)
        settings = load_settings(kafka=kafka, topic_prefix=prefix, influx_url=url, influx_bucket=bucket)
        ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
        with open_sink(settings) as sink_to_influx:
            sink_to_influx.run(stop)
    except (SettingsError, KafkaUnreachable, TopicError, KafkaError, ValueError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    print(json.dumps(sink_to_influx.summary()), file=sys.stderr, flush=True)
