"""The user's cache folder of what follows from models: compiled kernels and chosen steps.

What is kept there is named by what it was made of, so that it never goes stale, and may be deleted at any time.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def place_of(name: str) -> Path:
    """Where a file of this name is kept, whether it is there or not; the folder is made when it is missing."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dosetwin" / "kernels"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return home / name


def recalled(name: str) -> str | None:
    """The text kept under this name, if there is one."""
    try:
        return place_of(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def keep(name: str, text: str) -> Path:
    """Keep a text under this name and say where; written aside and renamed, so that nobody reads half a file."""
    path = place_of(name)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).replace(path)
    return path
