"""What a running way in puts beside its memories, so that others on this machine know of it: where it is, and for whom.

The plate goes when its way in stops in order. One that is still there while nobody holds it is of a way in that was
killed: its sources are not heard.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

ENDING = ".way-in"

HOLD_SECONDS = 2.0
"""Longest wait for those who read a plate."""


@dataclass(frozen=True, slots=True)
class Plate:
    """A way in.

    Attributes:
        protocol: what it speaks, as ``mllp``.
        address: where it listens, or whom it asks, ``host:port``.
        sources: whom it hears.
        certificates: files of its certificates, and of those of its senders' authority.
        held: whether its process lives.
    """

    protocol: str
    address: str
    sources: tuple[str, ...]
    certificates: tuple[str, ...] = ()
    held: bool = True


@contextlib.contextmanager
def doorplate(folder: Path, plate: Plate) -> Iterator[None]:
    """Keep a plate in ``folder`` as long as the context lasts; those of killed ways in for its sources are taken down.

    Raises:
        OSError: a way in for the same sources to the same address runs already.
    """
    for path, other in _read(folder):
        if not other.held and other.protocol == plate.protocol and set(other.sources) & set(plate.sources):
            path.unlink(missing_ok=True)
    name = re.sub(r"[^A-Za-z0-9.-]", "_", "-".join((plate.protocol, plate.address, *plate.sources[:1])))
    path = folder / (name + ENDING)
    with path.open("a+", encoding="utf-8") as file:
        _hold(file, f"{plate.protocol} at {plate.address} for {', '.join(plate.sources)} runs already: {path}")
        file.truncate(0)
        json.dump(asdict(plate), file)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def plates(folder: Path) -> list[Plate]:
    """The plates in a folder, by name; ``held`` says which of them are of ways in that live."""
    return [plate for _, plate in _read(folder)]


def _read(folder: Path) -> Iterator[tuple[Path, Plate]]:
    for path in sorted(folder.glob("*" + ENDING)):
        # One that goes, or is being written, while it is read is of a way in that stops or starts.
        with contextlib.suppress(FileNotFoundError, ValueError), path.open(encoding="utf-8") as file:
            held = False
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                held = True
            said = json.load(file)
            yield path, Plate(**{**said, "sources": tuple(said["sources"]), "certificates": tuple(said["certificates"]),
                                 "held": held})  # fmt: skip


def _hold(file: TextIO, taken: str) -> None:
    """Hold a plate, that of another way in excepted; whoever reads it holds it for a moment only."""
    until = time.monotonic() + HOLD_SECONDS
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(taken) from None
            time.sleep(0.01)
