"""Small files of secrets: for their owner alone, on the disk before anybody relies on them, and made once."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def make_once(path: Path, raw: bytes) -> None:
    """Make a file where there is none, whole or not at all; who comes second leaves it as it is.

    ``link`` decides who is first, which is atomic on NFS too. The folder above that of ``path`` must be there.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(exist_ok=True, mode=0o700)
    fresh = _fresh(path, raw)
    try:
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()
    _folder_to_disk(path.parent)


def replace(path: Path, raw: bytes) -> None:
    """Put a file in place of what is there, in one step; raises `OSError`."""
    path.parent.mkdir(exist_ok=True, mode=0o700)
    _fresh(path, raw).replace(path)
    _folder_to_disk(path.parent)


def write_over(path: Path) -> None:
    """Write over what a file holds, where it stands on the disk, if there is one; raises `OSError`."""
    with suppress(FileNotFoundError), path.open("r+b", buffering=0) as file:
        file.write(secrets.token_bytes(path.stat().st_size))
        os.fsync(file.fileno())


def _fresh(path: Path, raw: bytes) -> Path:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as file:
        file.write(raw)
        os.fsync(file.fileno())
    return fresh


def _folder_to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
