"""``dosetwin patient repair|rebuild|reenrol|erase|erased``: ways back of patients who stand still, and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import Clinical, Kafka, Prefix, Rules, examples

if TYPE_CHECKING:
    from connectors.privacy.patient_keys import PatientKeys
    from connectors.settings import Settings
    from streams.worker.processor import EventProcessor
    from streams.worker.repair.diagnosis import Diagnosis
    from streams.worker.repair.refold import Told
    from streams.worker.twin_factory import TwinFactory

app = typer.Typer(
    name="patient", no_args_is_help=True, help="Repair sealed patients, fold or begin them anew, or erase them."
)

Patients = Annotated[list[str], typer.Argument(metavar="ID...", help="'dosetwin doctor' names those that are sealed")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="ID=FILE of a model beyond the library, as workers have it"),
]
FarFuture = Annotated[
    float, typer.Option("--far-future-hours", min=0, envvar="DOSETWIN_FAR_FUTURE_HOURS", help="as the workers have it")
]
Twins = Annotated[str, typer.Option("--twins", hidden=True, help="module:name of the twin factory")]

LIBRARY_TWINS = "streams.worker.twin_factory:LibraryTwins"


def _made_of(
    settings: Settings, model: list[str] | None, clinical: Path | None, rules: Path | None
) -> dict[str, object]:
    """What a twin factory is told."""
    from streams.commands.live.worker import model_files

    told = {"particles": settings.particles, "model_files": model_files(model or [])}
    given = {"clinical": clinical, "rules": rules}
    return told | {name: value for name, value in given.items() if value is not None}


@app.command(epilog=examples("dosetwin patient repair", "dosetwin patient repair P-0009 --yes"))
def repair(
    patients: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="by default all whom workers named as sealed last")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="go the way back that is named; stop the workers first")] = False,
    or_reenrol: Annotated[
        bool, typer.Option("--or-reenrol", help="begin those anew that cannot be folded anew: what is known is lost")
    ] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
    model: Models = None,
    clinical: Clinical = None,
    rules: Rules = None,
    far_future_hours: FarFuture = 24.0,
    twins: Twins = LIBRARY_TWINS,
) -> None:
    """Say what is wrong with patients and which way back applies, and with --yes go it.

    The way is 'rebuild' while the inputs hold an enrolment by a model that is there, else 'reenrol'.
    """
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.privacy.master_key import KeysUnusable
    from connectors.privacy.patient_keys import patient_keys
    from connectors.settings import SettingsError, load_settings
    from streams.worker.processor import EventProcessor
    from streams.worker.repair import refold as way_back
    from streams.worker.repair.diagnosis import Way
    from streams.worker.rows.changelog import group_of
    from streams.worker.twin_factory import twin_factory

    left = 0
    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        keys = patient_keys()
        if yes:
            way_back.require_rest(settings, group_of(settings))
        factory = twin_factory(twins)(**_made_of(settings, model, clinical, rules))
        processor = EventProcessor(factory, far_future_hours=far_future_hours, keys=keys)
        processor = way_back.processor_for(settings, processor)
        diagnoses = _diagnoses(settings, patients, factory, keys)
        for found, told in diagnoses:
            _say(found, told)
            back = found.way is Way.NOTHING_TO_MEND or (not yes and (found.way is Way.REBUILD or or_reenrol))
            if yes and found.way is Way.REBUILD:
                back = _fold_anew(settings, processor, found.patient_id, told, unless_sealed=True)
            if yes and or_reenrol and not back:
                back = _begin_anew(settings, [found.patient_id])
            left += not back
    except (SettingsError, KafkaUnreachable, KeysUnusable, way_back.CannotRefold, ValueError, OSError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    if not diagnoses:
        typer.echo("no worker named a sealed patient")
    if not yes and any(found.way is not Way.NOTHING_TO_MEND for found, _ in diagnoses):
        typer.echo("nothing was changed: stop the workers and say --yes", err=True)
    if left:
        raise typer.Exit(1)


def _diagnoses(
    settings: Settings, patients: list[str] | None, factory: TwinFactory, keys: PatientKeys | None
) -> list[tuple[Diagnosis, Told]]:
    """What is wrong with each patient, and what the inputs hold of it; by default of those who were sealed last."""
    from connectors.kafka.heartbeats import last_beats
    from streams.worker.repair import refold as way_back
    from streams.worker.repair.diagnosis import diagnose
    from streams.worker.rows.changelog import changelog_of
    from streams.worker.rows.held_events import newest_rows

    beats = last_beats(settings.kafka, settings.topic_prefix)
    said = {patient: reason for last in beats for patient, reason in last.beat.sealed.items()}
    named = tuple(dict.fromkeys(patients or sorted(said)))
    if not named:
        return []
    rows = newest_rows(settings, changelog_of(settings), named)
    told = way_back.told_of(settings, named)
    return [
        (diagnose(patient, rows.get(patient), told[patient], factory, said, keys), told[patient]) for patient in named
    ]


def _say(found: Diagnosis, told: Told) -> None:
    """What is wrong with a patient, and the way back."""
    from streams.worker.repair.diagnosis import Way

    if found.way is Way.NOTHING_TO_MEND:
        typer.echo(f"{found.patient_id}: {found.detail}: {found.way.value}")
        return
    typer.echo(f"{found.patient_id}: {found.reason}: {found.detail}")
    if found.way is Way.REBUILD:
        typer.echo(f"    rebuild: folds it anew from {len(told.records)} records that the inputs hold")
    else:
        typer.echo(f"    reenrol (with --or-reenrol; what is known is lost): {found.needed}")


def _fold_anew(
    settings: Settings,
    processor: EventProcessor,
    patient: str,
    told: Told,
    *,
    unless_sealed: bool = False,
    version: str | None = None,
) -> bool:
    """Fold a patient anew, and write and publish what comes of it; whether its twin moves again.

    With ``unless_sealed`` nothing is written of one that would be sealed again.
    """
    from streams.worker.repair import refold as way_back
    from streams.worker.rows.changelog import changelog_of

    if told.shortened:
        gone = f"the first records of {', '.join(told.shortened)} are gone; it is folded from what is left"
        typer.echo(f"note: {patient}: {gone}", err=True)
    try:
        state, outcome = way_back.refold(processor, patient, told, version)
    except way_back.CannotRefold as error:
        typer.echo(f"dosetwin: {error}", err=True)
        return False
    row = processor.row(state)
    if unless_sealed and state.quarantined is not None:
        again = f"folded anew it is sealed again, so its row stays as it was ({': '.join(state.quarantined)})"
        mend = "mend what the reason says, as by retracting events, or begin it anew with --or-reenrol"
        typer.echo(f"dosetwin: {patient}: {again}: {mend}", err=True)
        return False
    way_back.write_rows(settings, changelog_of(settings), {patient: (row, outcome)})
    sealed = "" if state.quarantined is None else f", and is sealed again: {': '.join(state.quarantined)}"
    typer.echo(f"{patient}: folded anew from {len(told.records)} records by {state.model_id}{sealed}")
    return state.quarantined is None


def _begin_anew(settings: Settings, patients: list[str]) -> bool:
    """Forget what is known of patients."""
    from streams.worker.processor import Outcome
    from streams.worker.repair import refold as way_back
    from streams.worker.rows.changelog import changelog_of

    found = way_back.empty_rows(settings, patients)
    way_back.write_rows(settings, changelog_of(settings), {patient: (row, Outcome()) for patient, row in found.items()})
    for patient in found:
        typer.echo(f"{patient}: begins anew with its next enrolment")
    return True


@app.command(
    epilog=examples(
        "dosetwin patient rebuild P-0009",
        "dosetwin patient rebuild P-0009 --model ours=ours.toml",
        "dosetwin patient rebuild P-0009 --model my_ward1=my_ward1.toml --into my_ward1",
    )
)
def rebuild(
    patients: Patients,
    kafka: Kafka = None,
    prefix: Prefix = None,
    model: Models = None,
    clinical: Clinical = None,
    rules: Rules = None,
    far_future_hours: FarFuture = 24.0,
    into: Annotated[
        str | None, typer.Option(help="id of another model that they move to, as a version of theirs that was released")
    ] = None,
    twins: Twins = LIBRARY_TWINS,
) -> None:
    """Fold patients anew from all that the input topics hold of them, with the models as they are now.

    Stop the workers first. Estimates are published again, under the same ids, or those of the model that they move
    `--into`, beside the old ones; alerts when a worker starts. What was refused while sealed is folded too.
    """
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.privacy.master_key import KeysUnusable
    from connectors.privacy.patient_keys import patient_keys
    from connectors.settings import SettingsError, load_settings
    from streams.worker.processor import EventProcessor
    from streams.worker.repair import refold as way_back
    from streams.worker.rows.changelog import group_of
    from streams.worker.twin_factory import twin_factory

    failed = False
    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        keys = patient_keys()
        way_back.require_rest(settings, group_of(settings))
        factory = twin_factory(twins)(**_made_of(settings, model, clinical, rules))
        processor = EventProcessor(factory, far_future_hours=far_future_hours, keys=keys)
        processor = way_back.processor_for(settings, processor)
        for patient, told in way_back.told_of(settings, patients).items():
            failed |= not _fold_anew(settings, processor, patient, told, version=into)
    except (SettingsError, KafkaUnreachable, KeysUnusable, way_back.CannotRefold, ValueError, OSError) as error:
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
    from streams.worker.repair import refold as way_back
    from streams.worker.rows.changelog import group_of

    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        way_back.require_rest(settings, group_of(settings))
        _begin_anew(settings, patients)
    except (SettingsError, KafkaUnreachable, way_back.CannotRefold, OSError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None


@app.command(epilog=examples("dosetwin patient erase P-0009", "dosetwin patient erase P-0009 --without-influx"))
def erase(
    patient: Annotated[str, typer.Argument(metavar="ID")],
    without_influx: Annotated[bool, typer.Option(help="there is no InfluxDB to search")] = False,
    kafka: Kafka = None,
    prefix: Prefix = None,
) -> None:
    """Take a patient out of all topics, state rows and series; prints what was searched, before and after, as JSON.

    Stop workers, sinks and this patient's senders first. What comes later is refused with the reason 'erased'. Where
    a store of keys is set, the patient's key is destroyed, and the report is signed.
    """
    import json

    from kafka.errors import KafkaError

    from connectors.kafka.clients import KafkaUnreachable
    from connectors.kafka.rewriting import GroupBusy
    from connectors.kafka.topics import TopicError, ensure_topics
    from connectors.privacy.master_key import KeysUnusable
    from connectors.privacy.patient_keys import patient_keys
    from connectors.privacy.pseudonyms import pseudonym_store
    from connectors.privacy.signed_report import signed
    from connectors.services.run_state import state_directory
    from connectors.settings import SettingsError, load_settings
    from connectors.sinks import influx
    from connectors.sinks.influx_erasure import SeriesUnreachable
    from streams import erasure
    from streams.worker.repair.refold import CannotRefold, require_rest
    from streams.worker.rows.changelog import ensure_changelog, group_of

    try:
        settings = load_settings(kafka=kafka, topic_prefix=prefix)
        keys = patient_keys()
        series = None if without_influx else load_settings(influx.Settings)
        ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
        ensure_changelog(settings)
        require_rest(settings, group_of(settings))
        numbers = pseudonym_store()
        proof = erasure.erase(settings, series, patient, state_directory(), keys)
        if numbers is not None:
            proof.number_forgotten = numbers.forget(patient).isoformat(timespec="seconds")
    except (
        SettingsError,
        KeysUnusable,
        KafkaUnreachable,
        TopicError,
        GroupBusy,
        SeriesUnreachable,
        CannotRefold,
    ) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    except (KafkaError, OSError) as error:
        again = "nothing is lost, and the same command goes on where it ended"
        typer.echo(f"dosetwin: {type(error).__name__}: {error}: {again}", err=True)
        raise typer.Exit(1) from None
    report = proof.told()
    typer.echo(json.dumps(report if keys is None else signed(report, keys.signer()), indent=2))
    for place in proof.left:
        typer.echo(f"dosetwin: left: {place}", err=True)
    if proof.left:
        raise typer.Exit(1)


@app.command(epilog=examples("dosetwin patient erased --verify proof.json", "dosetwin patient erased P-0009"))
def erased(
    patient: Annotated[str | None, typer.Argument(metavar="[ID]", help="whom it is to be about")] = None,
    verify: Annotated[
        Path | None, typer.Option("--verify", exists=True, dir_okay=False, help="a report that 'erase' printed")
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option("--public-key", help="of the store, as 'dosetwin keys check' says; by default of the one set"),
    ] = None,
) -> None:
    """Whether a report of an erasure is signed, unchanged and about a patient; or when a patient's key was destroyed.

    Ends with 1 where that is not so, and where the report says that something was left.
    """
    from connectors.privacy.master_key import KeysUnusable
    from connectors.privacy.patient_keys import patient_keys
    from connectors.privacy.signed_report import NotSigned, public_key_of, verified
    from connectors.settings import SettingsError
    from streams.worker.rows.erased import erased_key

    if patient is None and verify is None:
        raise typer.BadParameter("say whom, or which report: ID, or --verify FILE")
    try:
        keys = patient_keys() if public_key is None or verify is None else None
        if verify is None:
            _say_destroyed(str(patient), keys)
            return
        if (key := public_key or (public_key_of(keys.signer()) if keys else None)) is None:
            raise KeysUnusable("no store of keys is set: name it in DOSETWIN_KEYS_STORE, or give its --public-key")
        report = verified(verify.read_bytes(), key)
    except (SettingsError, KeysUnusable, OSError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(1) from None
    except NotSigned as error:
        typer.echo(f"dosetwin: --verify {verify}: {error}", err=True)
        raise typer.Exit(1) from None
    if patient is not None and report.get("patient") != erased_key(patient.encode()).decode():
        typer.echo(f"dosetwin: --verify {verify}: is about another patient than {patient}", err=True)
        raise typer.Exit(1)
    typer.echo(f"signed and unchanged: {report.get('patient')} erased, key destroyed {report.get('key_destroyed')}")
    for place in report.get("left", ()):
        typer.echo(f"dosetwin: left: {place}", err=True)
    if report.get("left"):
        raise typer.Exit(1)


def _say_destroyed(patient: str, keys: PatientKeys | None) -> None:
    if keys is None:
        typer.echo("dosetwin: DOSETWIN_KEYS_STORE is not set: there are no keys", err=True)
        raise typer.Exit(1)
    if (at := keys.destroyed(patient)) is None:
        typer.echo(f"dosetwin: {patient}: its key was not destroyed", err=True)
        raise typer.Exit(1)
    typer.echo(f"{patient}: key destroyed {at.isoformat(timespec='seconds')}")
