"""Processes that tests leave behind, or do not."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def processes_of(place: Path) -> list[str]:
    """Command lines that mention ``place``, of processes that still run."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(place) in words and process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
            found.append(words[:200])
    return found
