"""``dosetwin worker``: move the twins of the patients on the broker, until told to stop."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import (
    Clinical,
    Format,
    Kafka,
    Level,
    LogFormat,
    LogLevel,
    MetricsHost,
    MetricsPort,
    Prefix,
    Protocols,
    Rules,
    examples,
    protocol_files,
)

if TYPE_CHECKING:
    from connectors.privacy.patient_keys import PatientKeys
    from connectors.settings import Settings
    from streams.worker.app import WorkerOptions
    from streams.worker.twin_factory import TwinFactory

app = typer.Typer()

AGAIN_SECONDS = 2.0
"""Between two looks for a broker that was lost."""


@app.command(
    epilog=examples(
        "dosetwin worker --instance ward-1",
        "dosetwin worker --ready docetaxel_ozawa2007 --metrics-port 9464 --log-format json",
        "dosetwin worker --instance '{host}' --processes 4",
        "dosetwin worker --instance ward-1 --clinical releases",
    )
)
def worker(
    kafka: Kafka = None,
    prefix: Prefix = None,
    datadir: Annotated[
        Path | None,
        typer.Option(
            help="where state rows stand while it runs; by default a temporary directory: nothing in it is kept"
        ),
    ] = None,
    instance: Annotated[
        str,
        typer.Option(
            envvar="DOSETWIN_WORKER_INSTANCE",
            help="a name of its own for each worker: restarted under it, it takes its patients back at once; '{host}' "
            "in it is the name of the machine",
        ),
    ] = "",
    processes: Annotated[
        int,
        typer.Option(
            min=1,
            max=256,
            help="workers to run side by side on this machine, each with its number behind the instance's name and "
            "added to the metrics port; more than there are partitions have nothing to do",
        ),
    ] = 1,
    model: Annotated[
        list[str] | None,
        typer.Option(help="ID=FILE of a model beyond the library that enrolments may name; repeatable"),
    ] = None,
    rules: Rules = None,
    protocols: Protocols = None,
    clinical: Clinical = None,
    ready: Annotated[
        str,
        typer.Option(
            envvar="DOSETWIN_READY",
            help="models, as ID,ID, compiled before the start; any other is when its first patient comes, which takes "
            "seconds once",
        ),
    ] = "",
    barrier_events: Annotated[
        int, typer.Option(min=1, help="most events of a partition between two state rows")
    ] = 5000,
    barrier_seconds: Annotated[float, typer.Option(min=0.05, help="longest time between two state rows")] = 30.0,
    idle_seconds: Annotated[
        float,
        typer.Option(min=1, help="a twin that heard nothing for so long leaves memory, and comes back from its row"),
    ] = 900.0,
    most_resident: Annotated[
        int,
        typer.Option(
            min=1,
            help="most twins in memory at a time: more than there are patients who speak each minute",
        ),
    ] = 4000,
    far_future_hours: Annotated[
        float,
        typer.Option(
            min=0, envvar="DOSETWIN_FAR_FUTURE_HOURS", help="an event may be this much later than the record's own time"
        ),
    ] = 24.0,
    posteriors: Annotated[
        bool,
        typer.Option(
            envvar="DOSETWIN_POSTERIORS",
            help="send what a population can be learnt from, encrypted with each patient's key ('dosetwin learn')",
        ),
    ] = False,
    session_timeout: Annotated[
        float, typer.Option(min=6, max=90, help="seconds of silence after which its patients go to another worker")
    ] = 30.0,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    twins: Annotated[
        str, typer.Option(hidden=True, help="module:name of the twin factory")
    ] = "streams.worker.twin_factory:LibraryTwins",
    log_level: Level = LogLevel.INFO,
    log_format: Format = LogFormat.TEXT,
) -> None:
    """Read events from Kafka, move the twins, send estimates and alerts. SIGTERM stops it after a last barrier."""
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.membership import NameTaken, name_on_this_machine
    from connectors.kafka.topics import TopicError
    from connectors.privacy.master_key import KeysUnusable
    from connectors.privacy.patient_keys import patient_keys
    from connectors.settings import SettingsError, load_settings
    from streams.fleet import fleet_of
    from streams.terminal.logs import log_to_stderr
    from streams.terminal.signals import GRACE_SECONDS, stop_at_signals
    from streams.worker.app import WorkerOptions
    from streams.worker.rows.stored_rows import RowsUnwritable

    try:
        log_to_stderr(log_level, log_format)
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        keys = patient_keys()
        name = name_on_this_machine(instance)
        options = WorkerOptions(
            barrier_events,
            barrier_seconds,
            far_future_hours,
            session_timeout,
            idle_seconds,
            most_resident,
            name,
            posteriors,
        )
        ready_models = tuple(filter(None, (name.strip() for name in ready.split(","))))
        factory = prepare(
            settings, twins, model_files(model or []), ready_models, rules, protocol_files(protocols), clinical
        )
        if processes > 1:
            if datadir is not None:
                raise ValueError("--datadir: processes must not share one: leave it out beside --processes")
            fleet = fleet_of(sys.argv[1:], processes, name, metrics_port)
            code = fleet.run(stop_at_signals(grace=GRACE_SECONDS + 2.0))
        else:
            code = run(settings, options, factory, datadir, (metrics_port, metrics_host), keys)
    except (
        SettingsError,
        KafkaUnreachable,
        NameTaken,
        TopicError,
        RowsUnwritable,
        KeysUnusable,
        ValueError,
        KeyError,
        OSError,
    ) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(code)


def prepare(
    settings: Settings,
    twins: str,
    model_files: dict[str, Path],
    ready: Sequence[str],
    rules: Path | None = None,
    protocols: Sequence[Path] = (),
    clinical: Path | None = None,
) -> TwinFactory:
    """Create what topics are missing and compile the models named in ``ready``; returns what makes the twins.

    Raises:
        KafkaUnreachable: no broker answers.
        TopicError: topics of unequal partition counts.
        ValueError: no twin factory at ``twins``, no model of a name in ``ready``, ``rules`` or ``protocols`` are none,
            or in clinical mode a model that was named is not released.
        OSError: they cannot be read.
    """
    import structlog

    from connectors.kafka.topics import ensure_topics
    from streams.worker.rows.changelog import ensure_changelog
    from streams.worker.twin_factory import LibraryTwins, UnknownModel, twin_factory
    from twin.alerts.rules import rules as all_rules
    from twin.modelfile.library import library
    from twin.observation.kinds import kinds

    log = structlog.get_logger("dosetwin.worker")
    for broken in (*all_rules().broken, *kinds().broken, *library().broken):
        log.warning("plugin", broken=str(broken))
    given = {"rules": rules, "protocols": protocols or None, "clinical": clinical}
    told = {name: value for name, value in given.items() if value is not None}
    factory = twin_factory(twins)(particles=settings.particles, model_files=model_files, **told)
    if isinstance(factory, LibraryTwins):
        try:
            factory.compile(ready)
        except UnknownModel as error:
            raise ValueError(f"--ready: {error}") from None
        for model_id in model_files if clinical is not None else ():
            try:
                factory.model_hash(model_id)
            except UnknownModel as error:
                raise ValueError(f"--model: {error}") from None
    ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
    ensure_changelog(settings)
    return factory


def run(
    settings: Settings,
    options: WorkerOptions,
    factory: TwinFactory,
    datadir: Path | None = None,
    metrics: tuple[int | None, str] = (None, ""),
    keys: PatientKeys | None = None,
) -> int:
    """Run a worker until a signal; returns its exit code. ``metrics`` are port and address of the page for machines;
    with ``keys`` what it stores is encrypted.

    A worker that loses the broker starts anew when it is back, as one does that was killed.

    Raises:
        KafkaUnreachable: no broker answers at the start.
        NameTaken: another worker that lives has the instance's name.
        RowsUnwritable: state rows cannot be kept in ``datadir``.
    """
    import asyncio
    import functools
    import gc
    import tempfile

    import structlog

    from connectors.kafka.clients import broker_answers
    from connectors.kafka.membership import await_name, holder
    from streams.terminal.metrics_page import Health, metrics_page
    from streams.terminal.signals import stop_at_signals
    from streams.worker.app import BROKER_LOST, build_worker, run_worker
    from streams.worker.residence.heap import share_heaps
    from streams.worker.rows.changelog import group_of
    from streams.worker.rows.stored_rows import StoredRows

    log, stop = structlog.get_logger("dosetwin.worker"), stop_at_signals()
    if options.instance:
        look = functools.partial(holder, settings.kafka, group_of(settings), options.instance)
        await_name(options.instance, options.session_timeout + 5.0, look, say=log.warning, pause=stop.wait)

    async def main(directory: Path) -> int:
        app = build_worker(settings, factory, directory, options, keys=keys)
        with metrics_page(app.metrics.registry, *metrics, Health(app.dead, app.waiting)):
            return await run_worker(app, told=stop)

    share_heaps()
    gc.collect()
    # To look through all that lives stops every twin for tenths of a second: code and models are never looked through
    # again, what was folded a hundredth as often as by default, which finds cycles just as well while they are young.
    gc.freeze()
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, 100 * old)
    with tempfile.TemporaryDirectory(prefix="dosetwin-worker-") as temporary:
        while not stop.is_set():
            StoredRows(datadir or Path(temporary)).close()  # a folder of no use is said at once
            code = asyncio.run(main(datadir or Path(temporary)))
            if code != BROKER_LOST:
                return code
            stop = stop_at_signals()  # the run had them
            while not stop.wait(AGAIN_SECONDS) and not broker_answers(settings.kafka):
                log.warning("no broker answers; the worker waits for it", kafka=settings.kafka)
    return 0


def model_files(given: list[str]) -> dict[str, Path]:
    """The file of each model named as ``ID=FILE``; raises `ValueError` for anything else."""
    files = {}
    for item in given:
        model_id, separator, path = item.partition("=")
        if not separator or not Path(path).is_file():
            raise ValueError(f"--model {item!r}: expected ID=FILE of an existing model file")
        files[model_id] = Path(path)
    return files
