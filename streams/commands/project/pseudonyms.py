"""``dosetwin pseudonyms create|rotate|show|whose|forget``: keys of pseudonyms, and the way back to a number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from streams.terminal.options import Kafka, Prefix, examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.privacy.pseudonyms import PseudonymStore
    from connectors.settings import Settings

app = typer.Typer(
    name="pseudonyms", no_args_is_help=True, help="Keys that pseudonyms are made by, and whose number a pseudonym is."
)

Pseudonym = Annotated[str, typer.Argument(metavar="PSEUDONYM")]


@app.command(
    epilog=examples("dosetwin pseudonyms create --store /srv/pseudonyms --master-file /etc/dosetwin/pseudonyms.key")
)
def create(
    store: Annotated[
        Path,
        typer.Option("--store", envvar="DOSETWIN_PSEUDONYMS_STORE", help="folder, apart from the data and its keys"),
    ],
    master_file: Annotated[
        Path,
        typer.Option(
            "--master-file",
            envvar="DOSETWIN_PSEUDONYMS_MASTER_FILE",
            help="file of its master key, apart from the store",
        ),
    ],
) -> None:
    """Make a store; its first key is DOSETWIN_PATIENT_KEY where that is set, so that pseudonyms stay as they are."""
    from connectors.feeds.messages import secret_of_patients
    from connectors.privacy.master_key import KeysUnusable, read_master_key, write_new_master_key
    from connectors.privacy.pseudonyms import create_pseudonym_store

    try:
        with write_new_master_key(master_file, store):
            first = secret_of_patients()
            create_pseudonym_store(store, read_master_key(master_file), first)
    except KeysUnusable as error:
        _leave(error)
    made_of = "DOSETWIN_PATIENT_KEY, which feeds need no more" if first else "new: pseudonyms are others than before"
    typer.echo(f"store {store}, opened by {master_file}: save both, in places apart; its first key is {made_of}")
    typer.echo(f"DOSETWIN_PSEUDONYMS_STORE={store}\nDOSETWIN_PSEUDONYMS_MASTER_FILE={master_file}")


@app.command(epilog=examples("dosetwin pseudonyms rotate"))
def rotate(kafka: Kafka = None, prefix: Prefix = None) -> None:
    """Make a new key, for whoever is new from now on; those who have a pseudonym keep it. Start feeds again after it.

    Who has one is read from Kafka: from the state rows of all patients, and of those who were erased.
    """
    from connectors.kafka.clients import KafkaUnreachable
    from connectors.privacy.master_key import KeysUnusable
    from connectors.settings import SettingsError, load_settings

    store = _store()
    try:
        known = set(_in_use(load_settings(kafka=kafka, topic_prefix=prefix)))
        key = store.rotate(known)
    except (SettingsError, KafkaUnreachable, KeysUnusable) as error:
        _leave(error)
    typer.echo(f"key {key.id} makes the pseudonyms of new patients; {len(known)} who have one keep it")


@app.command(epilog=examples("dosetwin pseudonyms show"))
def show() -> None:
    """The ids of the keys and when each was made, the newest last; how many numbers have a pseudonym."""
    store = _store()
    for key in store.ring:
        typer.echo(f"key {key.id}, made {key.made}")
    typer.echo(f"{store.mapped()} numbers have a pseudonym")


@app.command(epilog=examples("dosetwin pseudonyms whose p2-3f0a9c..."))
def whose(pseudonym: Pseudonym) -> None:
    """The number of a patient at the hospital, with its authority: for those who may know it. All entries are read."""
    from connectors.privacy.master_key import KeysUnusable

    try:
        found = _store().number_of(pseudonym)
    except KeysUnusable as error:
        _leave(error)
    if found is None:
        _leave(f"{pseudonym}: the store has no number of it, or has forgotten it")
    authority, number = found
    typer.echo(f"{number} of {authority or 'no authority'}")


@app.command(epilog=examples("dosetwin pseudonyms forget p2-3f0a9c..."))
def forget(pseudonym: Pseudonym) -> None:
    """Destroy what leads from a pseudonym back to the patient's number; 'dosetwin patient erase' does so too."""
    from connectors.privacy.master_key import KeysUnusable

    try:
        at = _store().forget(pseudonym)
    except KeysUnusable as error:
        _leave(error)
    typer.echo(f"{pseudonym}: its number was forgotten {at.isoformat(timespec='seconds')}")


def _in_use(settings: Settings) -> Iterator[str]:
    """Fingerprints of the pseudonyms that Kafka has state rows of, and of those that were erased."""
    from kafka import TopicPartition

    from connectors.kafka.clients import kept_records
    from connectors.privacy.pseudonyms import fingerprint
    from streams.worker.rows.changelog import changelog_of
    from streams.worker.rows.erased import PREFIX
    from streams.worker.rows.state_row import MARK

    places = [TopicPartition(changelog_of(settings), number) for number in range(settings.partitions)]
    for record in kept_records(settings.kafka, places):
        if record.key.startswith(PREFIX):
            yield record.key.removeprefix(PREFIX).decode()
        elif record.key != MARK:
            yield fingerprint(record.key.decode(errors="surrogateescape"))


def _store() -> PseudonymStore:
    from connectors.privacy.master_key import KeysUnusable
    from connectors.privacy.pseudonyms import pseudonym_store
    from connectors.settings import SettingsError

    try:
        found = pseudonym_store()
    except (SettingsError, KeysUnusable) as error:
        _leave(error)
    if found is None:
        _leave("DOSETWIN_PSEUDONYMS_STORE is not set; 'dosetwin pseudonyms create' makes a store")
    return found


def _leave(why: object) -> NoReturn:
    typer.echo(f"dosetwin: {why}", err=True)
    raise typer.Exit(1)
