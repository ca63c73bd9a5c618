"""``dosetwin alert list|acknowledge|shelve|unshelve|comment|retract``: how alerts stand, what is done about one."""

from __future__ import annotations

import contextlib
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.terminal.options import Kafka, Prefix, examples

if TYPE_CHECKING:
    from twin.events import Action

app = typer.Typer(
    name="alert", no_args_is_help=True, help="List alerts, acknowledge, shelve or comment one, or take that back."
)

_FORMATS = ["%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]
AlertId = Annotated[str, typer.Argument(metavar="ALERT_ID", help="as 'alert list' says; its beginning is enough")]
By = Annotated[str, typer.Option("--by", help="who you are, by pseudonym")]
Why = Annotated[str, typer.Option("--reason", help="why")]
When = Annotated[
    datetime | None, typer.Option("--time", formats=_FORMATS, help="when, for a ward of another time than now")
]


@app.command("list", epilog=examples("dosetwin alert list", "dosetwin alert list --patient P-0017 --all --json"))
def list_(
    patient: Annotated[str | None, typer.Option("--patient", help="those of this patient alone")] = None,
    all_: Annotated[bool, typer.Option("--all", help="also those that are over")] = False,
    json: Annotated[bool, typer.Option("--json", help="a JSON object a line")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """How alerts stand: those that do, by patient and onset."""
    from connectors.alerts.newest import newest_alerts
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.settings import SettingsError, load_settings
    from twin.names import shown

    try:
        found = newest_alerts(load_settings(kafka=kafka, topic_prefix=prefix), patient)
    except (SettingsError, KafkaUnreachable) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    found = [alert for alert in found if all_ or alert.live]
    for alert in found:
        if json:
            typer.echo(alert.model_dump_json(exclude_none=True))
            continue
        flags = [] if alert.shelved_until is None else [f"shelved until {alert.shelved_until.isoformat()}"]
        cause = alert.inhibited_by
        flags += [] if cause is None else [f"inhibited by {cause.rule} {cause.alert_id}"]
        stands = ", ".join([alert.severity, alert.state, *flags])
        about = f"{alert.rule} {shown(alert.subject.name)}"
        typer.echo(f"{alert.alert_id}  {alert.patient_id}  {about}  since {alert.onset.isoformat()}  {stands}")
        typer.echo(f"    {shown(alert.text)}" + (f" {shown(alert.advice)}" if alert.advice else ""))
    print(f"{len(found)} alerts" if found else "no alert stands", file=sys.stderr)


@app.command(epilog=examples("dosetwin alert acknowledge 5f0c2a9be1d44a37 --by nurse-7"))
def acknowledge(
    alert_id: AlertId, by: By, reason: Why = "", time: When = None, kafka: Kafka = None, prefix: Prefix = None
) -> None:
    """Say that you have seen an alert and see to it."""
    _send("acknowledge", alert_id, by, reason, time, None, kafka, prefix)


@app.command(
    epilog=examples(
        "dosetwin alert shelve 5f0c2a9be1d44a37 --by nurse-7 --until 2026-03-08T06:00Z --reason 'count at six'"
    )
)
def shelve(
    alert_id: AlertId,
    by: By,
    until: Annotated[datetime, typer.Option("--until", formats=_FORMATS, help="no longer than its rule allows")],
    reason: Why,
    time: When = None,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Let an alert call nobody for a while."""
    _send("shelve", alert_id, by, reason, time, until, kafka, prefix)


@app.command(epilog=examples("dosetwin alert unshelve 5f0c2a9be1d44a37 --by nurse-7"))
def unshelve(
    alert_id: AlertId, by: By, reason: Why = "", time: When = None, kafka: Kafka = None, prefix: Prefix = None
) -> None:
    """Let a shelved alert call again."""
    _send("unshelve", alert_id, by, reason, time, None, kafka, prefix)


@app.command(epilog=examples("dosetwin alert comment 5f0c2a9be1d44a37 --by nurse-7 --reason 'count drawn'"))
def comment(
    alert_id: AlertId, by: By, reason: Why, time: When = None, kafka: Kafka = None, prefix: Prefix = None
) -> None:
    """Put a note on an alert."""
    _send("comment", alert_id, by, reason, time, None, kafka, prefix)


@app.command(epilog=examples("dosetwin alert retract 5f0c2a9be1d44a37 --by nurse-7 --reason 'of another patient'"))
def retract(
    alert_id: AlertId, by: By, reason: Why, time: When = None, kafka: Kafka = None, prefix: Prefix = None
) -> None:
    """Take back what was done last about an alert: it was a mistake."""
    _send("retract", alert_id, by, reason, time, None, kafka, prefix)


def _send(
    action: Action | Literal["retract"],
    alert_id: str,
    by: str,
    reason: str,
    time: datetime | None,
    until: datetime | None,
    kafka: str | None,
    prefix: str | None,
) -> None:
    from datetime import UTC

    from connectors.alerts.actions import action_on, taken_back
    from connectors.alerts.newest import newest_alerts
    from connectors.kafka.clients import KafkaUnreachable, NotConfirmed
    from connectors.kafka.publish import Sender
    from connectors.settings import SettingsError, load_settings

    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        meant = [alert for alert in newest_alerts(settings) if alert.alert_id.startswith(alert_id)]
        # What is over may be so by a mistake: an alert that was latched, and acknowledged.
        standing = [alert for alert in meant if alert.live or (action == "retract" and alert.handled is not None)]
        if len(standing) != 1:
            over = f"; it is {meant[0].state} since {meant[0].time.isoformat()}" if len(meant) == 1 else ""
            said = "several alerts stand" if standing else "no alert stands"
            raise typer.BadParameter(f"{said} whose id begins with {alert_id!r}{over}; see 'dosetwin alert list --all'")
        now = time or datetime.now(UTC)
        if action == "retract":
            word = taken_back(standing[0], by, now, "dosetwin alert", reason)
        else:
            word = action_on(standing[0], action, by, now, "dosetwin alert", reason, until)
        with contextlib.closing(Sender(settings)) as sender:
            sender.send(word)
    except (SettingsError, KafkaUnreachable, NotConfirmed) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(f"{word.patient_id}: {action} {word.alert_id} sent; it counts when the worker has read it")
