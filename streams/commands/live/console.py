"""``dosetwin console``: the ward in a browser, live."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import (
    Format,
    Kafka,
    Level,
    LogFormat,
    LogLevel,
    MetricsHost,
    MetricsPort,
    Prefix,
    examples,
)

if TYPE_CHECKING:
    from connectors.console.views import ModelNotes, Quantiles
    from twin.model.spec import Model

app = typer.Typer()

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39}")


@app.command(epilog=examples("dosetwin console --open", "dosetwin console --host 0.0.0.0 --allow-host ward.example"))
def console(
    host: Annotated[str, typer.Option(help="where to listen")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free port", min=0, max=65535)] = 8500,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="DOSETWIN_CONSOLE_HOSTS",
            help="name under which the page is asked for beyond this machine; repeatable (in the environment separated "
            "by blanks). There is no log-in, so only behind one",
        ),
    ] = None,
    allow_actions: Annotated[
        bool,
        typer.Option(
            "--allow-actions",
            envvar="DOSETWIN_CONSOLE_ALLOW_ACTIONS",
            help="let people acknowledge, shelve and comment alerts, and ask for advice, also on a page that is asked "
            "for beyond this machine: only where something in front of it checks who acts",
        ),
    ] = False,
    replayed: Annotated[
        bool,
        typer.Option(
            "--replayed",
            envvar="DOSETWIN_CONSOLE_REPLAYED",
            help="the ward is simulated or replayed: what people do is dated by the newest word of the patient",
        ),
    ] = False,
    open_page: Annotated[bool, typer.Option("--open", help="open the page in the browser")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    log_level: Level = LogLevel.INFO,
    log_format: Format = LogFormat.TEXT,
) -> None:
    """Show the ward as a web page until interrupted, and take what people do about alerts. It commands no device."""
    import signal

    from connectors.console.board import Board
    from connectors.console.doing.way_in import WayIn
    from connectors.console.metrics import console_metrics
    from connectors.console.server import (
        CHARTS,
        ConsoleError,
        address_of,
        create_app,
        has_ended,
        listen,
        serve,
        waits_for,
    )
    from connectors.console.topic_reader import LiveBoard, TopicReader
    from connectors.kafka.publish import Sender
    from connectors.services.ports import LOCAL_HOSTS
    from connectors.settings import SettingsError, load_settings
    from streams.terminal.logs import log_to_stderr
    from streams.terminal.metrics_page import Health, metrics_page

    named = tuple(allow_host or ())
    if host not in LOCAL_HOSTS and not named:
        typer.echo(
            f"dosetwin: --host {host} would show patients to other machines, and the console has no log-in; "
            "use 127.0.0.1, or name with --allow-host under which names it is asked for, if something in front of it "
            "checks who looks",
            err=True,
        )
        raise typer.Exit(2)
    if wrong := [name for name in named if not HOST_NAME.fullmatch(name)]:
        typer.echo(
            f"dosetwin: --allow-host {wrong[0]}: write a host's name or address without port, such as ward.example "
            "(any name at all would let other sites read the ward through a browser)",
            err=True,
        )
        raise typer.Exit(2)
    try:
        log_to_stderr(log_level, log_format)
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        listener = listen(host, port)
    except (SettingsError, ConsoleError, ValueError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    if not CHARTS.exists():
        typer.echo("dosetwin: no charts yet; run 'npm run --prefix connectors/console vendor' and reload", err=True)
    live = LiveBoard(Board(models=library_notes()))
    reader = TopicReader(live, settings.kafka, settings.topic_prefix)
    acts = allow_actions or is_reached_from_here_alone(host, named)
    way_in = WayIn(live, Sender(settings), replayed) if acts else None
    app = create_app(live, reader, way_in, hosts=(*LOCAL_HOSTS, *named))
    address = address_of(listener)
    typer.echo(f"console: {address}")
    if open_page:
        import webbrowser

        webbrowser.open(address)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _leave)
    health = Health(dead=lambda: has_ended(live), waiting=lambda: waits_for(live))
    try:
        with metrics_page(console_metrics(live), metrics_port, metrics_host, health):
            serve(app, listener)
    except OSError as error:
        typer.echo(f"dosetwin: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None


def is_reached_from_here_alone(host: str, named: Sequence[str]) -> bool:
    """Whether a console that listens at ``host`` and is asked for by these names too answers this machine alone."""
    from connectors.services.ports import LOCAL_HOSTS

    return host in LOCAL_HOSTS and set(named) <= set(LOCAL_HOSTS)


def _leave(*_: object) -> None:
    """The server hands a signal on when it has closed down; being told to stop is no failure."""
    raise SystemExit(0)


def library_notes() -> dict[str, ModelNotes]:
    """Per library model its toxic floors and the population's 5-95 % of each parameter at reference covariates."""
    from connectors.console.views import Floor, ModelNotes
    from twin.modelfile.library import loaded_library

    notes = {}
    for model in loaded_library().offers:
        population = {p.name: _population(model, p.name, p.iiv) for p in model.parameters if p.iiv is not None}
        floors = tuple(
            Floor(
                toxicity.output,
                toxicity.limit,
                f"{toxicity.name.replace('_g', ' grade ')}: {toxicity.side} {toxicity.limit:g}",
            )
            for toxicity in model.toxicities
            if not toxicity.lasting
        )
        notes[model.id] = ModelNotes(floors, population)
    return notes


def _population(model: Model, name: str, variance: float) -> Quantiles:
    """The five quantiles of a parameter over patients at reference covariates, its eta normal with that variance."""
    from twin.model.typical import typical_values

    etas = [z * math.sqrt(variance) for z in (-1.6449, -0.6745, 0.0, 0.6745, 1.6449)]
    q05, q25, median, q75, q95 = sorted(typical_values(model, eta={name: eta})[name] for eta in etas)
    return (q05, q25, median, q75, q95)
