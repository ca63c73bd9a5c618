"""One form of lines, for people or machines, and no patient in any of them."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog
from pydantic import ValidationError

from streams.terminal.logs import log_to_stderr
from streams.terminal.options import LogFormat, LogLevel
from twin.events import Clock

CANARY = "Hans-Mueller-1955"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a process logs with is its own: put back for the other tests."""
    root, handlers, level = logging.getLogger(), list(logging.getLogger().handlers), logging.getLogger().level
    hook = sys.excepthook
    yield
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    structlog.reset_defaults()


def fail() -> None:
    """An event of the canary in a variable, in the text of an exception, and in the one behind it."""
    event = {"patient_id": CANARY, "value": CANARY}
    try:
        Clock.model_validate(event)
    except ValidationError as error:
        raise ValueError(f"no event: {event}") from error


def ours() -> None:
    try:
        fail()
    except ValueError:
        structlog.get_logger("dosetwin.worker").exception("the reader failed")


def a_library() -> None:
    try:
        fail()
    except ValueError as error:
        logging.getLogger("faust").exception("Crashed reason=%r", error)
        logging.getLogger("mode").error(error)
        logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: {error!r}", exc_info=error)


def nobody() -> None:
    try:
        fail()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)


@pytest.mark.parametrize("form", LogFormat)
@pytest.mark.parametrize("says", [ours, a_library, nobody])
def test_a_failure_names_place_and_type_and_nothing_of_the_patient(
    says: Callable[[], None], form: LogFormat, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    log_to_stderr(LogLevel.INFO, form)
    says()
    told = capsys.readouterr().err
    assert CANARY not in told
    assert "ValueError" in told
    assert "ValidationError" in told
    assert "in fail" in told


def test_every_line_is_one_json_object_of_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(LogLevel.INFO, LogFormat.JSON)
    structlog.get_logger("dosetwin.worker").warning("events rejected", reason="unknown_unit", count=3)
    logging.getLogger("aiokafka.conn").warning("Unable to connect to %s", "broker:9092")
    mine, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert mine.keys() - {"reason", "count"} == theirs.keys() == {"event", "level", "logger", "timestamp"}
    assert (mine["logger"], theirs["logger"]) == ("dosetwin.worker", "aiokafka.conn")
    assert theirs["event"] == "Unable to connect to broker:9092"


def test_a_line_that_repeats_is_told_a_few_times(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    for offset in range(100):
        structlog.get_logger("x").warning("record put aside", reason="bad_output", offset=offset)
        logging.getLogger("aiokafka").warning("no answer from %s", offset)
    assert len(capsys.readouterr().err.splitlines()) == 10


def test_what_is_below_the_level_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(LogLevel.WARNING)
    structlog.get_logger("x").info("quiet")
    logging.getLogger("kafka").info("quiet")
    assert capsys.readouterr().err == ""


def test_a_full_disk_loses_the_line_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    full = open("/dev/full", "w", encoding="ascii")  # noqa: SIM115
    monkeypatch.setattr("sys.stderr", full)
    log_to_stderr()
    structlog.get_logger("dosetwin.test").info("of ours")
    logging.getLogger("aiokafka").warning("of a library")
    monkeypatch.undo()
    with contextlib.suppress(OSError):
        full.close()
