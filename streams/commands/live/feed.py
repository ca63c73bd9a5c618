"""``dosetwin feed NAME``: events from a simulated ward, from files, or from a feed that another package brings.

Every feed of `connectors.feeds.feeds` is a command with its own options and those that all share. A file's bad
lines are reported with their number and reason while the rest goes on; the exit code is then 3. Each command ends with
a line of JSON on stderr: what was sent, what failed, and which lines were left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

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
from streams.terminal.plugin_group import plugin_group, with_options

if TYPE_CHECKING:
    from connectors.feeds import Feed, Option
    from twin.registry import Found, Plugin

HELP = "Feed events onto the topics: a simulated ward, or files."


def _found() -> Found[Feed]:
    from connectors.feeds import feeds

    return feeds()


def _callback_of(plugin: Plugin[Feed]) -> Callable[..., None]:
    """The feed as a function that typer can read: its own options, then the shared ones."""
    from connectors.feeds import options_of

    def run(
        *,
        speed: Annotated[
            float | None, typer.Option(min=0, help="simulated seconds per second; 0: as fast as they are taken")
        ] = None,
        out: Annotated[
            Path | None, typer.Option(help="write the events to this NDJSON file instead of publishing them")
        ] = None,
        kafka: Kafka = None,
        prefix: Prefix = None,
        metrics_port: MetricsPort = None,
        metrics_host: MetricsHost = "127.0.0.1",
        log_level: Level = LogLevel.WARNING,
        log_format: Format = LogFormat.TEXT,
        **options: Any,
    ) -> None:
        from streams.sending import Destination, send
        from streams.terminal.logs import log_to_stderr

        log_to_stderr(log_level, log_format)

        with _plain_errors():
            stream = plugin.offer.open_feed(**options)
            raise typer.Exit(
                send(plugin.name, stream, Destination(out, kafka, prefix, speed, (metrics_port, metrics_host)))
            )

    return with_options(run, [_parameter(option) for option in options_of(plugin.offer)], plugin.summary)


def _parameter(option: Option) -> inspect.Parameter:
    is_path = Path in (option.type, *get_args(option.type))
    told = (
        typer.Argument(help=option.help, exists=is_path, dir_okay=option.folder or not is_path)
        if option.positional
        else typer.Option(help=option.help)
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[option.type, told],
    )


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What the user can mend is said in one line, with exit code 1."""
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.topics import TopicError
    from connectors.privacy.master_key import KeysUnusable

    try:
        yield
    except (ValueError, OSError, KafkaUnreachable, TopicError, KeysUnusable) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None


app = typer.Typer(name="feed", no_args_is_help=True, help=HELP, cls=plugin_group(_found, _callback_of))


@app.callback(
    epilog=examples(
        "dosetwin feed ward --patients 8 --speed 600",
        "dosetwin feed nmtran counts.csv --model docetaxel_ozawa2007 --out events.ndjson",
        "dosetwin feed check lab-east.toml result.hl7",
    )
)
def feed() -> None:
    """Feed events onto the topics: a simulated ward, or files."""


@app.command(
    epilog=examples("dosetwin feed check lab-east.toml result.hl7", "dosetwin feed check ehr.toml bundle.json --json")
)
def check(
    profile: Annotated[Path, typer.Argument(help="the source's profile, a TOML file", exists=True, dir_okay=False)],
    files: Annotated[list[Path], typer.Argument(help="recorded messages", exists=True, dir_okay=False)],
    patient: Annotated[str, typer.Option(help="whose data points these are, where messages do not say that")] = "",
    device: Annotated[str, typer.Option(help="that said it, likewise")] = "",
    json: Annotated[bool, typer.Option("--json", help="a JSON object a line")] = False,
) -> None:
    """What would become of each fact in recorded messages; nothing is sent. Exit code 3 where something is refused."""
    from collections import Counter

    from connectors.facts.fact import Passed, Refusal, Subject
    from connectors.facts.profile import read_profile
    from connectors.feeds.messages import key_of_patients, outcomes

    counts: Counter[str] = Counter()
    with _plain_errors():
        known = read_profile(profile, key_of_patients())
        subject = Subject(patient, known.pseudonyms.authority) if patient else None
        for file, number, outcome in outcomes(known, files, subject, device):
            place = f"{file}: message {number}: {outcome.place}"
            match outcome:
                case Refusal(reason=reason, detail=detail):
                    counts["refused"] += 1
                    said: dict[str, Any] = {"place": place, "refused": reason, "detail": detail}
                    text = f"refused {reason}: {detail}"
                case Passed(what=what):
                    counts["passed over"] += 1
                    said, text = {"place": place, "passed": what}, f"passed over: {what}"
                case _:
                    counts["events"] += len(outcome.events)
                    told = [event.model_dump(mode="json", exclude_none=True) for event in outcome.events]
                    said = {"place": place, "events": told}
                    text = "; ".join(map(_in_words, told)) or "nothing new: a repetition"
            typer.echo(dumps(said) if json else f"{place}: {text}")
    typer.echo(dumps(dict(counts)), err=True)
    raise typer.Exit(3 if counts["refused"] else 0)


def _in_words(event: dict[str, Any]) -> str:
    """An event in a line: its kind, whose and when, then what it says."""
    envelope = ("v", "event_id", "patient_id", "time", "source", "kind", "status", "replaces")
    said = {name: value for name, value in event.items() if name not in envelope and value is not False}
    shown = ", ".join(f"{name} {_shown(value)}" for name, value in said.items())
    return f"{event['status']} {event['kind']} of {event['patient_id']} at {event['time']}: {shown}"


def _shown(value: Any) -> str:
    return f"{value['value']:g} {value['unit']}" if isinstance(value, dict) and "unit" in value else str(value)
