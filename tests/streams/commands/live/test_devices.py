"""``dosetwin devices``: what cannot be done is said with the way to mend it; the rest is tried on a real broker."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--keep-words", "0"], "words 0: a word that waits must be kept"),
        (["run", "--keep-days", "0"], "days 0.0: "),
        (["run"], "no Kafka answers at 127.0.0.1:9"),
        (["send", "FILE"], "no Kafka answers at 127.0.0.1:9"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.terminal.signals.stop_at_signals", threading.Event)
    (tmp_path / "FILE").touch()
    given = [str(tmp_path / one) if one == "FILE" else one for one in arguments]
    done = CliRunner().invoke(app, ["devices", *given, "--kafka", "127.0.0.1:9"])
    assert (done.exit_code, says in done.stderr) == (1, True), done.stderr
