"""Running a long command so that somebody watching knows how far it is, and that ends with whoever wanted it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from connectors.services import supervisor
from connectors.services.supervisor import ProcessId, add_claim, python_module

Say = Callable[[str], None]
"""Takes one line that tells the user what is happening."""

QUIET_SECONDS = 2.0
"""A step shorter than this says nothing more than its title."""

REPORT_SECONDS = 10.0
"""Time between two reports of a long step."""


class CommandFailed(RuntimeError):
    """A command ended with an error; the message has the end of its log."""


class Cancelled(RuntimeError):
    """The work was no longer wanted."""


def say_on_stderr(text: str) -> None:
    """The usual `Say`: one line on standard error."""
    print(f"dosetwin: {text}", file=sys.stderr, flush=True)


def run(
    command: Sequence[str],
    *,
    title: str,
    log: Path,
    say: Say,
    note: str = "",
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    cancelled: threading.Event | None = None,
    measure: Callable[[str, float], str] = lambda _log, _seconds: "",
) -> None:
    """Run ``command`` to its end, its output in ``log``, saying every few seconds how far it is.

    Without an ``environment`` it sees what `supervisor.environment` leaves of ours. ``note`` is said once, with the
    title. ``measure`` turns the log so far, and the seconds since the start, into words for that. The command and its
    children end when this process dies.

    Raises:
        CommandFailed: it ended with an error.
        Cancelled: ``cancelled`` was set; the command has ended.
    """
    say(f"{title} ({note})" if note else title)
    with tempfile.TemporaryDirectory(prefix="dosetwin-claims-") as claims, log.open("ab") as output:
        add_claim(Path(claims), str(ProcessId.of(os.getpid())))
        process = subprocess.Popen(
            python_module("connectors.services.supervisor", "--claims", claims, "--", *command),
            env=supervisor.environment(os.environ) if environment is None else environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _watch(process, title, log, say, cancelled, measure)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
    if process.returncode != 0:
        raise CommandFailed(f"{title}: ended with exit code {process.returncode}\n{last_lines(log)}")


def _watch(
    process: subprocess.Popen[bytes],
    title: str,
    log: Path,
    say: Say,
    cancelled: threading.Event | None,
    measure: Callable[[str, float], str],
) -> None:
    start = time.monotonic()
    report_at = start + QUIET_SECONDS
    while process.poll() is None:
        if cancelled is not None and cancelled.is_set():
            raise Cancelled(f"{title}: cancelled")
        now = time.monotonic()
        if now >= report_at:
            words = measure(log.read_text(encoding="utf-8", errors="replace"), now - start)
            say(f"  {title}: {now - start:.0f} s" + (f", {words}" if words else ""))
            report_at = now + REPORT_SECONDS
        time.sleep(0.05 if now - start < QUIET_SECONDS else 0.2)
    if time.monotonic() - start > QUIET_SECONDS:
        say(f"  {title}: done in {time.monotonic() - start:.0f} s")


def last_lines(log: Path, count: int = 15) -> str:
    """The end of ``log``, for an error message."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-count:])
