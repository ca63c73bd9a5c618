"""``dosetwin console``: the ward in a browser, live."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import Certificate, PrivateKey, RunningOptions, examples

if TYPE_CHECKING:
    from connectors.access.doorkeeper import Doorkeeper
    from connectors.access.oidc.log_in import ProviderLogIn
    from connectors.access.oidc.settings import OidcSettings
    from connectors.console.mending.workshop import HeldBack
    from connectors.console.patient.individual import ModelNotes
    from connectors.console.patient.model_card import ModelCard
    from connectors.console.views import Quantiles
    from connectors.settings import Settings
    from twin.model.spec import Model

app = typer.Typer()

ADDRESS = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.:-]*(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?")
"""Where another server is; no query, and nothing that a browser would run."""

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39}")


@app.command(
    epilog=examples(
        "dosetwin console --open",
        "dosetwin console --accounts accounts.json --allow-host ward.example",
        "dosetwin console --accounts accounts.json --host 0.0.0.0 --allow-host ward.example --certificate ward.pem",
    )
)
@with_sets
def console(
    host: Annotated[str, typer.Option(help="where to listen")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free port", min=0, max=65535)] = 8500,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="DOSETWIN_CONSOLE_HOSTS",
            help="name under which the page is asked for beyond this machine; repeatable (in the environment separated "
            "by blanks)",
        ),
    ] = None,
    accounts: Annotated[
        Path | None,
        typer.Option(
            "--accounts",
            envvar="DOSETWIN_CONSOLE_ACCOUNTS",
            help="file of who may log in ('dosetwin account'); without it nobody logs in, and this machine alone is "
            "answered",
        ),
    ] = None,
    idle_minutes: Annotated[
        float, typer.Option("--idle-minutes", help="after which who does nothing is logged out", min=1, max=1440)
    ] = 30,
    session_hours: Annotated[
        float, typer.Option("--session-hours", help="after which everybody logs in anew", min=0.1, max=168)
    ] = 12,
    trail_file: Annotated[
        Path | None,
        typer.Option(
            "--trail",
            envvar="DOSETWIN_CONSOLE_TRAIL",
            help="file that keeps what is to be recorded of who looked while Kafka is away; without it memory does, "
            "and a console that is killed then loses it",
        ),
    ] = None,
    certificate: Certificate = None,
    key: PrivateKey = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="no TLS although other machines ask: something in front of it has that")
    ] = False,
    replayed: Annotated[
        bool,
        typer.Option(
            "--replayed",
            envvar="DOSETWIN_CONSOLE_REPLAYED",
            help="the ward is simulated or replayed: what people do is dated by the newest word of the patient",
        ),
    ] = False,
    boards: Annotated[
        str | None,
        typer.Option(
            "--boards",
            envvar="DOSETWIN_CONSOLE_BOARDS",
            help="address of the Grafana with our boards, such as https://boards.example: each patient links there",
        ),
    ] = None,
    keep_patients: Annotated[
        int,
        typer.Option(
            "--keep-patients",
            envvar="DOSETWIN_CONSOLE_KEEP_PATIENTS",
            help="patients on the ward; of more, those leave of whom the newest word is the oldest",
            min=1,
            max=100_000,
        ),
    ] = 2_000,
    keep_estimates: Annotated[
        int,
        typer.Option(
            "--keep-estimates",
            envvar="DOSETWIN_CONSOLE_KEEP_ESTIMATES",
            help="newest estimates that are drawn of each patient; 1500 hourly ones are two months",
            min=24,
            max=100_000,
        ),
    ] = 1_500,
    keep_alerts: Annotated[
        int,
        typer.Option(
            "--keep-alerts",
            envvar="DOSETWIN_CONSOLE_KEEP_ALERTS",
            help="newest transitions of alerts, of all patients, for those who listen and were away",
            min=1_000,
            max=1_000_000,
        ),
    ] = 20_000,
    open_page: Annotated[bool, typer.Option("--open", help="open the page in the browser")] = False,
    *,
    running: RunningOptions,
) -> None:
    """Show the ward as a web page until interrupted, and take what people do about alerts. It commands no device."""
    import signal

    from connectors.access.oidc.settings import oidc_settings
    from connectors.audit.trail import Trail
    from connectors.console.alert_log import AlertLog
    from connectors.console.board import Board
    from connectors.console.doing.way_in import WayIn
    from connectors.console.mending.workshop import Workshop
    from connectors.console.metrics import console_metrics
    from connectors.console.server import (
        CHARTS,
        STATIC,
        ConsoleError,
        address_of,
        create_app,
        has_ended,
        listen,
        serve,
        waits_for,
    )
    from connectors.console.topic_reader import LiveBoard, TopicReader
    from connectors.kafka.access.engineer import engineers_access
    from connectors.kafka.publish import Sender
    from connectors.services.ports import LOCAL_HOSTS
    from connectors.settings import SettingsError, load_settings
    from connectors.tls import TlsError, refuse_in_the_clear, server_tls
    from streams.terminal.logs import log_to_stderr
    from streams.terminal.metrics_page import Health, metrics_page

    named = tuple(allow_host or ())
    if wrong := [name for name in named if not HOST_NAME.fullmatch(name)]:
        typer.echo(
            f"dosetwin: --allow-host {wrong[0]}: write a host's name or address without port, such as ward.example "
            "(any name at all would let other sites read the ward through a browser)",
            err=True,
        )
        raise typer.Exit(2)
    if boards is not None and not ADDRESS.fullmatch(boards):
        typer.echo(
            f"dosetwin: --boards {boards}: write where Grafana is, without what follows its path, such as "
            "https://boards.example or https://ward.example/grafana",
            err=True,
        )
        raise typer.Exit(2)
    try:
        oidc = oidc_settings()
    except SettingsError as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    if accounts is None and oidc is None and not is_reached_from_here_alone(host, named):
        asked = f"--host {host}" if host not in LOCAL_HOSTS else f"--allow-host {named[0]}"
        typer.echo(
            f"dosetwin: {asked} would show patients to other machines, and nobody would have to log in: make an "
            "account with 'dosetwin account add' and give its file by --accounts, or name a provider of identities by "
            "DOSETWIN_OIDC_ISSUER, or use 127.0.0.1 alone",
            err=True,
        )
        raise typer.Exit(2)
    if host not in LOCAL_HOSTS and not named:
        typer.echo(
            f"dosetwin: --host {host}: name with --allow-host under which names the page is asked for there", err=True
        )
        raise typer.Exit(2)
    try:
        log_to_stderr(running.log_level, running.log_format)
        settings = load_settings(kafka=running.kafka, topic_prefix=running.prefix)
        tls = server_tls(certificate, key, None)
        refuse_in_the_clear(host, tls, plain=plain)
        engineers_access(settings.kafka)  # told now if it cannot be used, and not when somebody mends
        keeper = doorkeeper(accounts, idle_minutes, session_hours) if accounts or oidc else None
        provider = by_provider(oidc, keeper, (*LOCAL_HOSTS, *named)) if oidc and keeper else None
        trail = Trail(settings, trail_file)
        listener = listen(host, port)
    except TlsError as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(2) from None
    except (SettingsError, ConsoleError, ValueError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    if not CHARTS.exists():
        typer.echo("dosetwin: no charts yet; run 'npm run --prefix connectors/console vendor' and reload", err=True)
    board = Board(keep_estimates, library_notes(), keep_patients)
    live = LiveBoard(board, alerts=AlertLog(keep_alerts))
    reader = TopicReader(live, settings.kafka, settings.topic_prefix)
    way_in = WayIn(live, Sender(settings), replayed)
    workshop = Workshop(live, settings, lambda: held_back(settings), STATIC / "engineer.html")
    app = create_app(
        live,
        reader,
        way_in,
        keeper,
        trail,
        workshop,
        provider=provider,
        cards=library_card,
        hosts=(*LOCAL_HOSTS, *named),
        boards=boards,
    )
    address = address_of(listener, tls)
    typer.echo(f"console: {address}")
    if open_page:
        import webbrowser

        webbrowser.open(address)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _leave)
    health = Health(dead=lambda: has_ended(live), waiting=lambda: waits_for(live))
    try:
        with metrics_page(console_metrics(live, trail), *running.metrics, health):
            serve(app, listener, tls)
    except OSError as error:
        typer.echo(f"dosetwin: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None


def held_back(settings: Settings) -> Iterator[HeldBack]:
    """What the twins keep and do not count, as their newest state rows have it; of a row that cannot be read, why.

    Raises:
        KafkaUnreachable: no broker answers.
        KeysUnusable: the store of keys that the environment names cannot be used.
    """
    from connectors.console.mending.workshop import HeldBack
    from connectors.privacy.patient_keys import KeyDestroyed, KeyMissing, patient_keys
    from streams.worker.rows.changelog import changelog_of
    from streams.worker.rows.encrypted_row import opened_row
    from streams.worker.rows.held_events import held_in, newest_rows
    from streams.worker.rows.state_row import UnreadableRow
    from twin.events import to_millis
    from twin.patient.state_row import UnreadableState

    keys = patient_keys()
    for name, row in sorted(newest_rows(settings, changelog_of(settings)).items()):
        try:
            for one in held_in(opened_row(row, name, keys)):
                begins, ends = to_millis(one.begins), to_millis(one.ends)
                yield HeldBack(one.patient_id, one.event_id, one.what, begins, ends, one.why, one.releasable)
        except (UnreadableRow, UnreadableState, KeyMissing, KeyDestroyed) as error:
            why = f"{error}; 'dosetwin patient repair {name}' makes it anew"
            yield HeldBack(name, "", "a state row that cannot be read", 0, 0, why, releasable=False)


def is_reached_from_here_alone(host: str, named: Sequence[str]) -> bool:
    """Whether a console that listens at ``host`` and is asked for by these names too answers this machine alone."""
    from connectors.services.ports import LOCAL_HOSTS

    return host in LOCAL_HOSTS and set(named) <= set(LOCAL_HOSTS)


def by_provider(settings: OidcSettings, keeper: Doorkeeper, hosts: Sequence[str]) -> ProviderLogIn:
    """Log-in through a provider; one that cannot be used now is told, as it may be later.

    Raises:
        SettingsError: the console does not answer to the name by which the provider sends browsers back.
    """
    from urllib.parse import urlsplit

    from connectors.access.oidc.log_in import ProviderLogIn
    from connectors.access.oidc.provider import ProviderError
    from connectors.settings import SettingsError

    if (name := urlsplit(settings.console).hostname) not in hosts:
        raise SettingsError(f"DOSETWIN_OIDC_CONSOLE={settings.console!r}: allow that name with --allow-host {name}")
    found = ProviderLogIn(settings, keeper)
    try:
        found.provider.about()
    except ProviderError as error:
        typer.echo(f"dosetwin: nobody logs in by DOSETWIN_OIDC_ISSUER={settings.issuer!r} now: {error}", err=True)
    return found


def doorkeeper(accounts: Path | None, idle_minutes: float, session_hours: float) -> Doorkeeper:
    """Who lets in whom that file names.

    Raises:
        AccountsError: the file cannot be used, or there is nobody in it.
    """
    from datetime import timedelta

    from connectors.access.accounts import HOW, AccountsError, AccountsFile
    from connectors.access.doorkeeper import Doorkeeper

    file = None if accounts is None else AccountsFile(accounts)
    if file is not None and not file.read().each:
        raise AccountsError(f"{accounts} names nobody: {HOW}")
    return Doorkeeper(file, idle=timedelta(minutes=idle_minutes), oldest=timedelta(hours=session_hours))


def _leave(*_: object) -> None:
    """The server hands a signal on when it has closed down; being told to stop is no failure."""
    raise SystemExit(0)


@functools.cache
def library_notes() -> dict[str, ModelNotes]:
    """Per library model its toxic floors, what each parameter means and is in the population, and what is measured."""
    from connectors.console.patient.individual import Analyte, Floor, Meaning, ModelNotes
    from connectors.console.patient.parameter_words import rests_on, said_of
    from twin.modelfile.library import loaded_library

    notes = {}
    for model in loaded_library().offers:
        population = {p.name: _population(model, p.name, p.iiv) for p in model.parameters if p.iiv is not None}
        floors = tuple(
            Floor(toxicity.output, toxicity.limit, toxicity.name, toxicity.side)
            for toxicity in model.toxicities
            if not toxicity.lasting
        )
        meanings = {p.name: Meaning(said_of(p), rests_on(p)) for p in model.parameters if p.name in population}
        measured = [Analyte(one.name, one.unit, one.molar_mass) for one in model.outputs]
        measured += [Analyte(one.name, one.unit, one.molar_mass) for one in model.covariates]
        notes[model.id] = ModelNotes(floors, population, meanings, tuple(measured))
    return notes


def library_card(model_id: str) -> ModelCard | None:
    """The card of a library model; None of any other."""
    from connectors.console.patient.model_card import ModelCard, Section
    from connectors.reports.facts import facts, population
    from twin.modelfile.library import loaded_library

    model = next((each for each in loaded_library().offers if each.id == model_id), None)
    if model is None:
        return None
    sections = tuple(
        Section(part.title, part.heads, part.rows, (*map(str, part.formulas), *part.lines)) for part in facts(model)
    )
    return ModelCard(model.id, model.hash, model.title, population(model), sections)


def _population(model: Model, name: str, variance: float) -> Quantiles:
    """The five quantiles of a parameter over patients at reference covariates, its eta normal with that variance."""
    from twin.model.typical import typical_values

    etas = [z * math.sqrt(variance) for z in (-1.6449, -0.6745, 0.0, 0.6745, 1.6449)]
    q05, q25, median, q75, q95 = sorted(typical_values(model, eta={name: eta})[name] for eta in etas)
    return (q05, q25, median, q75, q95)
