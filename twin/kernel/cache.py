"""The user's cache folder of what follows from models: compiled kernels and chosen steps.

What is kept there is named by what it was made of, so that it never goes stale, and may be deleted at any time. It is
also code that will run: so the folder must be the user's own, with nobody else allowed to write there, and every file
carries a seal over its name, its content and what it was made of. A file whose seal does not hold is as good as none:
what was in it is made anew, never used. Where the disk is full or read-only nothing is kept, and all is made anew.

Two processes that lack the same thing make it once (`alone`): the second waits and takes what the first kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SEAL = 32
"""Bytes of a seal, before the content."""

PATIENCE_S = 120.0
"""Longest wait for another process that makes the same: it may have been frozen, and to make it twice is no harm."""


class CacheError(OSError):
    """A cache folder that somebody else could have written to; the message says which and how to mend it."""


def folder() -> Path:
    """The cache folder, made when it is missing and can be made.

    Raises:
        CacheError: it belongs to somebody else, or others may write there.
    """
    parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dosetwin"
    home = parent / "kernels"
    for made in (parent, home):
        with contextlib.suppress(OSError):
            made.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path, writers in ((parent, stat.S_IWOTH), (home, stat.S_IWGRP | stat.S_IWOTH)):
        if os.path.lexists(path):
            _refuse_open_to_others(path, writers)
    return home


def _refuse_open_to_others(path: Path, writers: int) -> None:
    found = path.lstat()
    mend = "or name another folder in XDG_CACHE_HOME"
    if not stat.S_ISDIR(found.st_mode):
        raise CacheError(f"{path}: is no folder of its own, and compiled kernels in it would be run; delete it, {mend}")
    if found.st_uid not in (os.geteuid(), 0 if writers == stat.S_IWOTH else os.geteuid()):
        problem = f"belongs to user {found.st_uid}, not to {os.geteuid()}, and compiled kernels in it would be run"
        raise CacheError(f"{path}: {problem}; delete it, {mend}")
    if found.st_mode & writers:
        problem = f"may be written by others (mode {stat.S_IMODE(found.st_mode):04o}), and kernels in it would be run"
        raise CacheError(f"{path}: {problem}; chmod 700 {path}, {mend}")


def recalled(name: str, made_of: bytes) -> bytes | None:
    """The content kept under this name and made of this, if there is one whose seal holds.

    Raises:
        CacheError: as `folder`.
    """
    path = folder() / name
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    seal, content = kept[:_SEAL], kept[_SEAL:]
    return content if seal == _sealed(name, made_of, content) else None


def keep(name: str, made_of: bytes, content: bytes) -> Path:
    """Keep a content under this name, sealed with what it was made of, where there is room; says where.

    Raises:
        CacheError: as `folder`.
    """
    return _written(name, _sealed(name, made_of, content) + content)


def keep_text(name: str, text: str) -> Path:
    """Keep a text for people to read, where another one or none is there, and say where; nothing ever runs it.

    Raises:
        CacheError: as `folder`.
    """
    path = folder() / name
    if not path.is_file() or path.read_bytes() != text.encode():
        _written(name, text.encode())
    return path


@contextlib.contextmanager
def alone(name: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """While no other process makes what is kept under this name, as far as can be: look again before making it.

    Whoever dies lets the next one in at once. A disk that takes nothing, and one who is waited for too long, keep
    nobody from going on.

    Raises:
        CacheError: as `folder`.
    """
    # It loads an event loop, which only those need who compile.
    from filelock import FileLock

    path = folder() / f"{name}.lock"
    lock = FileLock(path, timeout=patience_s, mode=0o600, fallback_to_soft=False, poll_interval=0.02)
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            held.enter_context(lock)
            # Who waits for a lock that is gone takes the next one of its name.
            held.callback(path.unlink, missing_ok=True)
        yield


def _written(name: str, content: bytes) -> Path:
    """Written aside and renamed, so that nobody reads half a file; a disk that takes nothing keeps nothing."""
    path = folder() / name
    with contextlib.suppress(OSError):
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    return path


def _sealed(name: str, made_of: bytes, content: bytes) -> bytes:
    origin = hashlib.blake2b(made_of, digest_size=_SEAL).digest()
    return hashlib.blake2b(name.encode() + b"\0" + content, key=origin, digest_size=_SEAL).digest()
