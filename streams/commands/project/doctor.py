"""``dosetwin doctor``: is everything here that the twins need, and if not, what is to be done?

Each check is a function that yields findings; the command prints them and exits with 1 if any of them is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.doctor.finding import Finding
from streams.terminal.options import MEMORY, Remembered, examples

if TYPE_CHECKING:
    from connectors.settings import Settings
    from connectors.sinks.influx import Settings as InfluxSettings

app = typer.Typer()

OLDEST_PYTHON = (3, 11)

SILENT_SECONDS = 15.0
"""A worker that has not been heard for so long is dead or hangs; it beats every second."""


@app.command(epilog=examples("dosetwin doctor", "dosetwin doctor --sources ."))
def doctor(
    sources: Annotated[
        Path | None,
        typer.Option(envvar="DOSETWIN_SOURCES", file_okay=False, help="folder of sources' profiles and tokens"),
    ] = None,
    memory: Remembered = MEMORY,
) -> None:
    """Check Python, servers, topics, models, readers, sources and log-in; say what is wrong and how to mend it."""
    wrong = 0
    for finding in examine(sources, memory):
        typer.echo(f"{'ok   ' if finding.well else 'WRONG'} {finding.subject}: {finding.seen}")
        if not finding.well:
            wrong += 1
            typer.echo(f"      {finding.mend}")
    typer.echo("all is well" if not wrong else f"{wrong} to mend")
    if wrong:
        raise typer.Exit(1)


def examine(sources: Path | None, memory: Path) -> Iterator[Finding]:
    """Every check, in the order in which things depend on each other."""
    from datetime import UTC, datetime

    from connectors.settings import SettingsError, load_settings
    from connectors.sinks.influx import Settings as InfluxSettings
    from streams.doctor.identities import check_provider
    from streams.doctor.keys import check_keys
    from streams.doctor.sources import check_sources

    yield from check_python(sys.version_info[:2])
    yield from check_tools()
    yield from check_plugins()
    try:
        settings, to_influx = load_settings(), load_settings(InfluxSettings)
    except SettingsError as error:
        yield Finding("settings", str(error), "change or unset the variable named")
        return
    yield Finding("settings", f"{settings.partitions} partitions, {settings.particles} particles a patient")
    yield from check_keys()
    yield from check_provider()
    yield from check_servers(settings, to_influx)
    yield from check_sources(sources, memory, datetime.now(UTC))


def check_python(version: tuple[int, ...]) -> Iterator[Finding]:
    """Is this Python new enough?"""
    seen, oldest = ".".join(map(str, version)), ".".join(map(str, OLDEST_PYTHON))
    yield Finding("Python", seen, "" if version >= OLDEST_PYTHON else f"use Python {oldest} or newer")


def check_tools() -> Iterator[Finding]:
    """Are the programs here that starting servers still needs (named and cached servers need fewer or none)?"""
    from connectors.services.launch import ServerFailed
    from connectors.services.servers import needed_tools, provider
    from connectors.services.tools import problem

    try:
        needed = needed_tools()
    except ServerFailed as error:
        yield Finding("servers", str(error), "set or unset the variable named")
        return
    if provider() == "compose":
        yield Finding("container engine", "answers, with Compose")
    for name in needed:
        wrong = problem(name)
        yield Finding(name, wrong or "found", "install it, or name servers that run elsewhere" if wrong else "")


def check_plugins() -> Iterator[Finding]:
    """Does every model load, and can all that packages add be used?"""
    from streams.commands.project.plugins import everything

    for one in everything():
        if one.mend:
            yield Finding(f"{one.kind} {one.name} of {one.origin}", one.state, one.mend)
        elif one.kind == "model":
            yield Finding(f"model {one.name}", one.summary)


def check_servers(settings: Settings, to_influx: InfluxSettings) -> Iterator[Finding]:
    """Do the servers answer, and are the topics there?"""
    from streams.doctor.broker import allowed, check_broker, check_engineer, check_rights
    from streams.doctor.influx import check_influx
    from streams.doctor.readers import check_audit, check_devices, check_sinks
    from streams.doctor.retention import check_topics_kept

    access = yield from check_broker(settings)
    yield from check_engineer(settings)
    if access is not None:
        yield from check_topics(settings)
        yield from check_rights(settings, access.user)
        yield from allowed("retention", check_topics_kept, settings)
        yield from allowed("worker", check_workers, settings)
        yield from allowed("sinks", check_sinks, settings)
        yield from allowed("devices", check_devices, settings)
        yield from allowed("audit chain", check_audit, settings)
    yield from check_influx(to_influx)


def check_workers(settings: Settings) -> Iterator[Finding]:
    """Does every partition have a worker that lives and keeps up?"""
    from connectors.console.pulse import Pulses
    from connectors.kafka.heartbeats import any_waits, last_beats
    from connectors.kafka.topics import INPUTS

    beats = last_beats(settings.kafka, settings.topic_prefix)
    start = "start one with 'dosetwin worker'"
    if not beats:
        waiting = any_waits(settings.kafka, [settings.topic_prefix + topic for topic in INPUTS])
        yield Finding("worker", "none was ever heard of", f"events wait for one: {start}" if waiting else "")
        return
    for beat, age in beats:
        subject = f"partition {beat.partition}"
        if age >= SILENT_SECONDS or beat.state == "stopped":
            seen = f"worker {beat.worker} was last heard {age:.0f} s ago, {beat.state}"
            yield Finding(subject, seen, f"its twins stand still: look at that worker's log, or {start}")
            continue
        pulses = Pulses()
        pulses.hear(beat, 0.0)
        wrong = pulses.worst(0.0)
        barrier = f"last barrier {beat.barrier_seconds:.0f} s ago"
        seen = f"worker {beat.worker} is {beat.state}, {beat.lag} records wait, {barrier}"
        mend = "it catches up by itself, or needs more workers beside it: see the worker's log"
        yield Finding(subject, seen, mend if wrong.level > 1 else "")
    for beat, _ in beats:
        for patient, reason in sorted(beat.sealed.items()):
            mend = f"its dead letters in twin.rejected say why; 'dosetwin patient repair {patient}' brings it back"
            yield Finding(f"twin of {patient}", f"is sealed ({reason}) and moves no more", mend)


def check_topics(settings: Settings) -> Iterator[Finding]:
    """Is every topic there, with the partitions that the settings ask for?"""
    from connectors.kafka.topics import describe_topics
    from streams.doctor.broker import GIVEN

    for state in describe_topics(settings.kafka, settings.topic_prefix):
        if state.hidden:
            mend = f"give it the right DESCRIBE: {GIVEN}"
            yield Finding(f"topic {state.name}", "our user may not see whether it is there", mend)
        elif state.partitions == 0:
            yield Finding(f"topic {state.name}", "missing", "create it with 'dosetwin topics create'")
        elif state.partitions != settings.partitions:
            mend = f"set DOSETWIN_PARTITIONS={state.partitions}, or use another DOSETWIN_TOPIC_PREFIX"
            seen = f"{state.partitions} partitions instead of {settings.partitions}"
            yield Finding(f"topic {state.name}", seen, mend)
        else:
            yield Finding(f"topic {state.name}", f"{state.partitions} partitions")
