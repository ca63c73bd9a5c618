"""Stopping in order: a signal sets an event, and whoever works looks at it."""

from __future__ import annotations

import signal
import threading


def stop_at_signals() -> threading.Event:
    """Set at SIGTERM or SIGINT, so that what is on its way is still finished and counted."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    return stop
