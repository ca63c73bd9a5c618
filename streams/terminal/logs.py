"""Logs: structured lines on standard error. Standard output belongs to results."""

from __future__ import annotations

import logging
import sys

import structlog

_NOISY = ("faust", "mode", "aiokafka", "kafka", "asyncio")


def log_to_stderr(level: str = "INFO") -> None:
    """Log our own lines at ``level``, and the libraries' warnings only: below that they quote messages."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # whatever it is when a line is written
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s [%(levelname)s] %(message)s")
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
