"""A file system of a few megabytes that is really full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(place: Path, mib: int) -> Iterator[Path]:
    """A file system in memory, mounted at ``place``; an `AssertionError` for who may not mount."""
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "dosetwin", str(place)], capture_output=True, text=True
    )
    assert done.returncode == 0, f"a small file system needs root: {done.stderr.strip()}"
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """The file system of ``place`` without a free byte, until the end."""
    ballast = place / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                _write_all(file.fileno(), bytes(size))
        yield
    finally:
        ballast.unlink()


def _write_all(descriptor: int, block: bytes) -> None:
    try:
        while os.write(descriptor, block):
            pass
    except OSError:
        return
