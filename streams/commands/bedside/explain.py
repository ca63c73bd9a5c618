"""``dosetwin explain``: on what an alert rests, what was believed before and after, and what would let it not stand.

The alert is read from Kafka with the patient's record, or from a file of events, of which the record is folded. The
worker and its twins are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import Kafka, Prefix, Protocols, examples

if TYPE_CHECKING:
    from streams.batch.told import Told

app = typer.Typer()

ADVICE_CHANGED = "dose.advice_changed"
"""The rule that judges advice (`twin.alerts.rules.dose.advice_changed`)."""


@app.command(
    epilog=examples(
        "dosetwin explain 5f0c2a9be1d44a37",
        "dosetwin explain 5f0c2a9be1d44a37 events.ndjson --patient P-0017 --json",
        "dosetwin explain 5f0c2a9be1d44a37 --protocols ward-protocols/",
    )
)
def explain(
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", help="as 'alert list' says; its beginning is enough")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="NDJSON events or NM-TRAN style CSV, in place of Kafka")
    ] = None,
    patient: Annotated[str | None, typer.Option("--patient", help="whose alert it is")] = None,
    revision: Annotated[
        int | None, typer.Option("--revision", min=0, help="which record of it; by default the last while it stood")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="id or path; by default as the alert, or the enrolments, say")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            exists=True,
            dir_okay=False,
            envvar="DOSETWIN_RULES",
            help="TOML of thresholds, as the worker has",
        ),
    ] = None,
    protocols: Protocols = None,
    particles: Annotated[
        int, typer.Option(min=50, max=1_000_000, envvar="DOSETWIN_PARTICLES", help="size of the twin's cloud")
    ] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Say on what an alert rests, what was believed before and after, and what would let it not stand."""
    import json

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.settings import SettingsError
    from streams.batch.arguments import protocols_of, usable_arguments
    from streams.batch.cases import CaseError
    from streams.batch.told import Ward, told_in, told_on_kafka
    from twin.alerts.rules import rules_hash, thresholds_of
    from twin.alerts.thresholds import DEFAULT
    from twin.reasons.explanation import explain as explained
    from twin.reasons.telling import explanation_lines, explanation_values

    try:
        with usable_arguments():
            judged_by = DEFAULT if rules is None else thresholds_of(rules.read_text(encoding="utf-8"), str(rules))
            ward = Ward(particles, judged_by, protocols_of(protocols))
            if files:
                told = told_in(files, alert_id, patient, model, ward)
            else:
                told = told_on_kafka(alert_id, patient, model, ward, kafka, prefix)
            alert = told.revision(revision)
            for note in _notes(told, rules_hash(judged_by)):
                typer.echo(f"note: {note}", err=True)
            try:
                found = explained(alert, told.events, told.twins)
            except ValueError as error:
                raise CaseError(str(error)) from None
    except (SettingsError, KafkaUnreachable) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(explanation_values(found)) if as_json else "\n".join(explanation_lines(found)))


def _notes(told: Told, rules: str) -> Sequence[str]:
    """Where what is folded here may differ from what the alert was told of."""
    alert, notes = told.alerts[-1], []
    if alert.model_hash != told.twins.models.hash:
        notes.append(f"the alert is of model {alert.model_hash}; folded is {told.twins.models.hash}: see --model")
    if alert.rules_hash not in (None, rules):
        notes.append(f"the alert was judged by rules {alert.rules_hash}; here by {rules}: see --rules")
    if alert.rule == ADVICE_CHANGED and not told.twins.ward.protocols:
        notes.append("the alert rests on advice, and without its protocol nothing is advised here: see --protocols")
    return notes
