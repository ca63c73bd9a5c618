"""Commands that take long or fail say so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.services.progress import CommandFailed, run


def test_a_failed_command_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"(?s)trying: ended with exit code 7.*no such luck"):
        run(("sh", "-c", "echo no such luck; exit 7"), title="trying", log=tmp_path / "log", say=print)


def test_a_long_command_reports_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.services.progress.QUIET_SECONDS", 0.2)
    monkeypatch.setattr("connectors.services.progress.REPORT_SECONDS", 0.2)
    said: list[str] = []
    command = ("sh", "-c", "echo half; sleep 1.2")
    run(command, title="work", log=tmp_path / "log", say=said.append, measure=lambda log, _seconds: f"at {log.strip()}")
    assert said[0] == "work"
    assert any(re.fullmatch(r"  work: \d+ s, at half", line) for line in said)
    assert re.fullmatch(r"  work: done in \d+ s", said[-1])
