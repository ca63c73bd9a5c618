"""``dosetwin keys create|check|change-master``: the store of the patients' keys, by which a patient is erased."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from streams.terminal.options import examples

app = typer.Typer(
    name="keys", no_args_is_help=True, help="The store of the patients' keys, which what is stored is encrypted with."
)

Store = Annotated[
    Path,
    typer.Option("--store", envvar="DOSETWIN_KEYS_STORE", help="folder of the keys, apart from Kafka and its back-ups"),
]
MasterFile = Annotated[
    Path,
    typer.Option(
        "--master-file",
        envvar="DOSETWIN_KEYS_MASTER_FILE",
        help="file of the master key, apart from the store and its back-ups",
    ),
]


@app.command(epilog=examples("dosetwin keys create --store /srv/keys --master-file /etc/dosetwin/master.key"))
def create(store: Store, master_file: MasterFile) -> None:
    """Make a store without keys, and its master key in a file of its own; neither may be there yet."""
    from connectors.privacy.master_key import KeysUnusable, read_master_key, write_new_master_key
    from connectors.privacy.patient_keys import create_store

    try:
        with write_new_master_key(master_file, store):
            create_store(store, read_master_key(master_file))
    except KeysUnusable as error:
        _leave(error)
    typer.echo(f"store {store} of no keys, opened by {master_file}: save both, in places apart")
    typer.echo(f"DOSETWIN_KEYS_STORE={store}\nDOSETWIN_KEYS_MASTER_FILE={master_file}")


@app.command(epilog=examples("dosetwin keys check"))
def check() -> None:
    """Open the store that the environment names; says how many keys it has, and the public key of its reports."""
    from connectors.privacy.master_key import KeysUnusable
    from connectors.privacy.patient_keys import patient_keys
    from connectors.privacy.signed_report import public_key_of
    from connectors.settings import SettingsError

    try:
        keys = patient_keys()
        if keys is None:
            _leave("DOSETWIN_KEYS_STORE is not set: nothing is encrypted; 'dosetwin keys create' makes a store")
        there, gone = keys.counted()
    except (SettingsError, KeysUnusable) as error:
        _leave(error)
    typer.echo(f"{there} keys, {gone} destroyed")
    typer.echo(f"reports are signed by {public_key_of(keys.signer())}")


@app.command(
    "change-master",
    epilog=examples(
        "dosetwin keys change-master --new-master-file new.key --store /srv/keys --master-file /etc/dosetwin/master.key"
    ),
)
def change_master(
    store: Store,
    master_file: MasterFile,
    new_master_file: Annotated[
        Path, typer.Option("--new-master-file", help="is made; name it in DOSETWIN_KEYS_MASTER_FILE from then on")
    ],
) -> None:
    """Let a new master key open the store, and the old one no more; workers that run go on, and start with the new."""
    from connectors.privacy.master_key import KeysUnusable, read_master_key, write_new_master_key
    from connectors.privacy.patient_keys import change_master as change

    try:
        old = read_master_key(master_file)
        with write_new_master_key(new_master_file, store):
            change(store, old, read_master_key(new_master_file))
    except KeysUnusable as error:
        _leave(error)
    typer.echo(f"{store} is opened by {new_master_file}; back-ups of before are by {master_file}")


def _leave(why: object) -> NoReturn:
    typer.echo(f"dosetwin: {why}", err=True)
    raise typer.Exit(1)
