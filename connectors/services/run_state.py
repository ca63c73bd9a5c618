"""Run state of this clone's servers: one private folder, ``.dosetwin/``, that nobody else reads or writes.

::

    .dosetwin/            mode 0700; DOSETWIN_STATE_DIR names another
        kafka.json        how to reach the running server, and its keeper's pid; mode 0600
        influx.json       the same, with the token
        kafka/, influx/   configuration, log, claims and the server's own files

A record counts only while the process that keeps the server (see `connectors.services.supervisor`) is alive: a record
left behind by a crash is ignored, and the next start replaces it.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from connectors.services.supervisor import ProcessId

STATE_DIR = "DOSETWIN_STATE_DIR"


def state_directory() -> Path:
    """The folder of this clone's run state; it need not exist."""
    named = os.environ.get(STATE_DIR)
    if named:
        return Path(named).absolute()
    source = Path(__file__).resolve().parents[2]
    return (source if (source / "pyproject.toml").is_file() else Path.cwd()) / ".dosetwin"


def private_directory(path: Path) -> Path:
    """``path`` as a folder that only its owner may enter, made where it is missing and shut where it stood open.

    Raises:
        PermissionError: it is somebody else's.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user: name a folder of your own in {STATE_DIR}")
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path


def open_private(path: Path) -> BinaryIO:
    """The file emptied for writing, readable by its owner alone; devices and pipes stay as they are."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` in one step by a file that only its owner may read, in a folder that nobody else may enter."""
    private_directory(path.parent)
    replace_private(path, text)


def replace_private(path: Path, text: str) -> None:
    """Replace ``path`` in one step by a file that only its owner may read; the folder stays as it is."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def write_record(directory: Path, server: str, record: dict[str, Any]) -> None:
    """Note how ``server`` is reached; ``record`` has ``keeper`` and ``settings`` (see `running_servers`)."""
    write_private(directory / f"{server}.json", json.dumps(record, indent=2) + "\n")


def read_record(directory: Path, server: str) -> dict[str, Any] | None:
    """The record of ``server`` if its keeper is alive, else ``None``."""
    try:
        record: dict[str, Any] = json.loads((directory / f"{server}.json").read_text(encoding="utf-8"))
        keeper = ProcessId.parse(record["keeper"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if keeper.alive() else None


def remove_record(directory: Path, server: str) -> None:
    """Forget ``server``; no error where there is nothing to forget."""
    (directory / f"{server}.json").unlink(missing_ok=True)


def running_servers(directory: Path | None = None) -> dict[str, Any]:
    """Settings that reach the servers running in this clone, named as their variables without ``DOSETWIN_``."""
    where = directory or state_directory()
    found: dict[str, Any] = {}
    for server in ("kafka", "influx"):
        record = read_record(where, server)
        if record:
            found |= record["settings"]
    return found
