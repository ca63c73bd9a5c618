"""The cache of server binaries: one folder per name and version, made once and shared by all clones of this user."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from connectors.services.progress import Cancelled, Say


def cache_directory() -> Path:
    """``$XDG_CACHE_HOME/dosetwin``, by default ``~/.cache/dosetwin``."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "dosetwin"


def in_cache(key: str) -> bool:
    """Whether the folder ``key`` is there already."""
    return (cache_directory() / key).is_dir()


def cached(key: str, make: Callable[[Path], None], say: Say, cancelled: threading.Event | None = None) -> Path:
    """The folder ``key`` of the cache; where it is missing, ``make(folder)`` fills it.

    It appears in one step, when it is whole. If another process is making it, this one waits for it.

    Raises:
        Cancelled: ``cancelled`` was set while waiting.
    """
    place = cache_directory() / key
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with _turn(place.parent / f"{key}.lock", key, say, cancelled):
        if not place.is_dir():
            for abandoned in place.parent.glob(f".{key}.*"):
                shutil.rmtree(abandoned, ignore_errors=True)
            fresh = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=place.parent))
            try:
                make(fresh)
                fresh.rename(place)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return place


@contextlib.contextmanager
def _turn(path: Path, key: str, say: Say, cancelled: threading.Event | None) -> Iterator[None]:
    lock = FileLock(path, thread_local=False)
    waiting = False
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            if not waiting:
                say(f"another process is preparing {key}; waiting for it")
                waiting = True
            if cancelled is not None and cancelled.is_set():
                raise Cancelled(f"waiting for {key} was cancelled") from None
    try:
        yield
    finally:
        lock.release()
