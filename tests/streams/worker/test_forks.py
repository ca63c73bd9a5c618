"""A forked command is as a started one: its environment, its log, its end."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.streams.worker.forks import Forked


@pytest.mark.slow
def test_a_forked_command_has_the_environment_and_the_log_it_is_given(tmp_path: Path) -> None:
    nowhere = {**os.environ, "DOSETWIN_KAFKA": "127.0.0.1:1"}
    with (tmp_path / "log").open("ab") as log:
        forked = Forked(["worker"], nowhere, log.fileno())
        assert forked.wait(60) == 1
    assert "127.0.0.1:1" in (tmp_path / "log").read_text()
    assert forked.poll() == 1


@pytest.mark.slow
def test_a_signal_ends_it_and_is_told_as_its_exit_code(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        forked = Forked(["console", "--port", "0", "--kafka", "127.0.0.1:1"], dict(os.environ), log.fileno())
    forked.send_signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        forked.wait(0.1)
    forked.kill()
    assert forked.wait(60) == -signal.SIGKILL
    forked.kill()  # a second time does nothing
