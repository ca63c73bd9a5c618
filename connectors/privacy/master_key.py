"""The master key: 32 bytes that the operator holds, in the environment or in a file, and that open the store of keys.

It stands in neither the store nor the data, so that whoever has a copy of both reads nothing.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from connectors.settings import PartSettings

KEY_BYTES = 32

HOW = "'dosetwin keys create' (of pseudonyms: 'dosetwin pseudonyms create') makes one"

EVERYBODY = stat.S_IROTH | stat.S_IWOTH
"""What its file may not have; a group may read it, as secrets of containers are mounted so."""


class KeysUnusable(RuntimeError):
    """The master key or the store of keys cannot be used; the message names variable or file, and the mend."""


class KeySettings(PartSettings, env_prefix="DOSETWIN_KEYS_"):
    """Where the patients' keys are; without ``store`` nothing is encrypted."""

    store: Path | None = Field(None, description="folder of the patients' keys, apart from Kafka and its back-ups")
    master: str = Field("", repr=False, description="master key that opens the store: 32 bytes in base64")
    master_file: Path | None = Field(None, description="file with the master key alone, instead of 'master'")


def new_master_key() -> str:
    """A master key, as it is written down.

    >>> len(base64.b64decode(new_master_key()))
    32
    """
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


@contextmanager
def write_new_master_key(path: Path, store: Path) -> Iterator[None]:
    """A new master key in a file that was not there, for the block that uses it; gone again where the block fails.

    Raises:
        KeysUnusable: it is there already, lies in ``store``, or cannot be written.
    """
    if path.resolve().is_relative_to(store.resolve()):
        raise KeysUnusable(f"master key {path}: lies in the store; keep it where copies of the store do not reach")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(new_master_key() + "\n")
    except FileExistsError:
        raise KeysUnusable(f"master key {path}: is there already; name a new file") from None
    except OSError as error:
        raise KeysUnusable(f"master key {path}: {error.strerror or error}; name a file that you may write") from None
    try:
        yield
    except BaseException:
        path.unlink()
        raise


def master_key(settings: KeySettings) -> bytes:
    """The master key that the settings name.

    Raises:
        KeysUnusable: none is named, or two, or what is named is none or may be read by everybody.
    """
    key, file = settings.variable("master"), settings.variable("master_file")
    if settings.master and settings.master_file is not None:
        raise KeysUnusable(f"{key} and {file} are both set: leave one of them out")
    if settings.master:
        return _decoded(settings.master, key)
    if settings.master_file is None:
        store = settings.variable("store")
        raise KeysUnusable(
            f"{store} is set without its master key: name its file in {file}, or give it in {key}; {HOW}"
        )
    return read_master_key(settings.master_file)


def read_master_key(path: Path) -> bytes:
    """The master key in a file; raises `KeysUnusable`."""
    named = f"master key {path}"
    try:
        mode = path.stat().st_mode
        if mode & EVERYBODY:
            seen = f"everybody may read it (mode {stat.S_IMODE(mode):o})"
            raise KeysUnusable(f"{named}: {seen}; chmod 600 {path}")
        return _decoded(path.read_text(encoding="ascii").strip(), named)
    except (OSError, UnicodeDecodeError) as error:
        told = getattr(error, "strerror", None) or "is no text"
        raise KeysUnusable(f"{named}: {told}; name a file that holds it alone, and that this user can read") from None


def _decoded(text: str, named: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise KeysUnusable(f"{named}: is no base64 (value hidden); {HOW}") from None
    if len(key) != KEY_BYTES:
        raise KeysUnusable(f"{named}: has {len(key)} bytes and must have {KEY_BYTES} (value hidden); {HOW}")
    return key
