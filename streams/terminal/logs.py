"""Logs: structured lines on standard error, all of one form. Standard output belongs to results.

Our own lines and those of the libraries go the same way: readable, or one JSON object each. No patient's value is in
them: of an exception the type is told and where it happened, never its text nor any variable. A line that comes again
and again is told a few times a minute, and then how often it was left out.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

from streams.terminal.options import LogFormat, LogLevel
from streams.terminal.repeats import Repeats

_NOISY = ("faust", "mode", "aiokafka", "kafka", "asyncio", "uvicorn")

_TOLD_APART = ("reason", "cause", "sink", "error")
"""Fields that make two lines of one event different ones."""

Fields = MutableMapping[str, Any]


def log_to_stderr(level: LogLevel = LogLevel.INFO, form: LogFormat = LogFormat.TEXT) -> None:
    """Log our own lines at ``level``, and the libraries' warnings only: below that they quote messages.

    An exception that nobody catches is logged too, in the same form.
    """
    repeats = Repeats()
    first: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _where_it_happened,
    ]

    def seldom(_logger: object, _method: str, fields: Fields) -> Fields:
        key = (fields.get("logger"), fields["event"], *(str(fields.get(name)) for name in _TOLD_APART))
        return _told(fields, repeats.left_out(key))

    written = _renderer(form)
    structlog.configure(
        processors=[*first, seldom, written],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.value]),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(cast(TextIO, _CurrentStderr()))
    handler.addFilter(_Libraries(repeats))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*first, structlog.stdlib.ExtraAdder(allow=["left_out"])],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, written],
        )
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one.formatter, structlog.stdlib.ProcessorFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # On a busy machine it warns of its own loop at every turn: nobody can mend that.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda caught: _uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)


def _renderer(form: LogFormat) -> Any:
    if form is LogFormat.JSON:
        return structlog.processors.JSONRenderer(default=str)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _told(fields: Fields, left_out: int | None) -> Fields:
    """The line, with how many like it were not shown before; raises `structlog.DropEvent` where it is one of these."""
    if left_out is None:
        raise structlog.DropEvent
    if left_out:
        fields["left_out"] = left_out
    return fields


def _where_it_happened(_logger: object, _method: str, fields: Fields) -> Fields:
    """Instead of the exception the place and type of it."""
    found = fields.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        fields["exception"] = place_of(error)
    return fields


def place_of(error: BaseException) -> str:
    """Where an exception was raised, through which calls, and its type, as Python writes it; not what it says."""
    lines: list[str] = []
    told: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in told:
        told.add(id(current))
        lines.append("".join([*traceback.format_tb(current.__traceback__), type(current).__qualname__]))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\nwhile handling, or because of:\n".join(reversed(lines))


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt) and error is not None:
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger("dosetwin").error("ended by an error", exc_info=error)


class _Libraries(logging.Filter):
    """Lines of libraries: seldom enough, and without what an exception says."""

    def __init__(self, repeats: Repeats) -> None:
        super().__init__()
        self._repeats = repeats

    def filter(self, record: logging.LogRecord) -> bool:
        left_out = self._repeats.left_out((record.name, str(record.msg)))
        if left_out is None:
            return False
        if left_out:
            record.left_out = left_out
        if isinstance(record.args, tuple):
            record.args = tuple(map(_spoken, record.args))
        if record.name == "asyncio" or isinstance(record.msg, BaseException):  # it writes exceptions into its text
            record.msg, record.args = str(_spoken(record.msg)).partition("\n")[0], ()
        return True


def _spoken(argument: object) -> object:
    return type(argument).__name__ if isinstance(argument, BaseException) else argument


class _CurrentStderr:
    """Standard error, whatever it is when a line is written."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


class _Stderr:
    """A structlog logger that has a name and prints."""

    def __init__(self, name: str = "dosetwin", *_: object) -> None:
        self.name = name

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError):
            print(message, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = msg
