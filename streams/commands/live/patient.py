"""``dosetwin patient rebuild|reenrol|erase``: the ways back of a patient whose twin moves no more, and the way out."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.terminal.options import Kafka, Prefix, examples

app = typer.Typer(
    name="patient", no_args_is_help=True, help="Fold sealed patients anew, begin them anew, or erase them."
)

Patients = Annotated[list[str], typer.Argument(metavar="ID...", help="'dosetwin doctor' names those that are sealed")]


@app.command(
    epilog=examples("dosetwin patient rebuild P-0009", "dosetwin patient rebuild P-0009 --model ours=ours.toml")
)
def rebuild(
    patients: Patients,
    kafka: Kafka = None,
    prefix: Prefix = None,
    model: Annotated[
        list[str] | None, typer.Option(help="ID=FILE of a model beyond the library, as the workers have it; repeatable")
    ] = None,
    far_future_hours: Annotated[
        float, typer.Option(min=0, envvar="DOSETWIN_FAR_FUTURE_HOURS", help="as the workers have it")
    ] = 24.0,
    twins: Annotated[
        str, typer.Option(hidden=True, help="module:name of the twin factory")
    ] = "streams.worker.twin_factory:LibraryTwins",
) -> None:
    """Fold patients anew from all that the input topics hold of them, with the models as they are now.

    Stop the workers first. Estimates are published again, under the same ids; alerts when a worker starts. What was
    refused while the patient was sealed is folded too.
    """
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.settings import SettingsError, load_settings
    from streams.commands.live.worker import model_files
    from streams.worker import refold as way_back
    from streams.worker.app import changelog_of, group_of
    from streams.worker.processor import EventProcessor
    from streams.worker.twin_factory import twin_factory

    failed = False
    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        way_back.require_rest(settings, group_of(settings))
        factory = twin_factory(twins)(particles=settings.particles, model_files=model_files(model or []))
        processor = way_back.processor_for(settings, EventProcessor(factory, far_future_hours=far_future_hours))
        for patient, told in way_back.told_of(settings, patients).items():
            if told.shortened:
                gone = f"the first records of {', '.join(told.shortened)} are gone; it is folded from what is left"
                typer.echo(f"note: {patient}: {gone}", err=True)
            try:
                state, outcome = way_back.refold(processor, patient, told)
            except way_back.CannotRefold as error:
                typer.echo(f"dosetwin: {error}", err=True)
                failed = True
                continue
            row = processor.row(state)
            way_back.write_rows(settings, changelog_of(settings), {patient: (row, outcome)})
            failed |= state.quarantined is not None
            sealed = "" if state.quarantined is None else f", and is sealed again: {': '.join(state.quarantined)}"
            typer.echo(f"{patient}: folded anew from {len(told.records)} records by {state.model_id}{sealed}")
    except (SettingsError, KafkaUnreachable, way_back.CannotRefold, ValueError, OSError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    if failed:
        raise typer.Exit(1)


@app.command(epilog=examples("dosetwin patient reenrol P-0009"))
def reenrol(patients: Patients, kafka: Kafka = None, prefix: Prefix = None) -> None:
    """Forget what is known of patients: the next enrolment begins a new twin, which knows nothing of before.

    Stop the workers first. The input topics keep what they hold, and rebuild still folds all of it.
    """
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.settings import SettingsError, load_settings
    from streams.worker import refold as way_back
    from streams.worker.app import changelog_of, group_of
    from streams.worker.processor import Outcome

    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        way_back.require_rest(settings, group_of(settings))
        found = way_back.empty_rows(settings, patients)
        rows = {patient: (row, Outcome()) for patient, row in found.items()}
        way_back.write_rows(settings, changelog_of(settings), rows)
    except (SettingsError, KafkaUnreachable, way_back.CannotRefold, OSError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    for patient in rows:
        typer.echo(f"{patient}: begins anew with its next enrolment")


@app.command(epilog=examples("dosetwin patient erase P-0009", "dosetwin patient erase P-0009 --without-influx"))
def erase(
    patient: Annotated[str, typer.Argument(metavar="ID")],
    without_influx: Annotated[bool, typer.Option(help="there is no InfluxDB to search")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Take a patient out of all topics, state rows and series; prints what was searched, before and after, as JSON.

    Stop workers, sinks and this patient's senders first. What comes later is refused with the reason 'erased'.
    """
    import json

    from kafka.errors import KafkaError

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.rewriting import GroupBusy
    from connectors.kafka.topics import TopicError, ensure_topics
    from connectors.services.run_state import state_directory
    from connectors.settings import SettingsError, load_settings
    from connectors.sinks import influx
    from connectors.sinks.influx_erasure import SeriesUnreachable
    from streams import erasure
    from streams.worker.app import ensure_changelog, group_of
    from streams.worker.refold import CannotRefold, require_rest

    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        series = None if without_influx else load_settings(influx.Settings)
        ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
        ensure_changelog(settings)
        require_rest(settings, group_of(settings))
        proof = erasure.erase(settings, series, patient, state_directory())
    except (SettingsError, KafkaUnreachable, TopicError, GroupBusy, SeriesUnreachable, CannotRefold) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    except (KafkaError, OSError) as error:
        again = "nothing is lost, and the same command goes on where it ended"
        typer.echo(f"dosetwin: {type(error).__name__}: {error}: {again}", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(proof.told(), indent=2))
    for place in proof.left:
        typer.echo(f"dosetwin: left: {place}", err=True)
    if proof.left:
        raise typer.Exit(1)
