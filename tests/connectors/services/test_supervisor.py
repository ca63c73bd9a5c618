"""Processes are told apart, and claims hold while their process lives."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from connectors.services.supervisor import ProcessId, add_claim, held, remove_claim


def test_a_process_is_told_from_a_later_one_with_its_pid() -> None:
    me = ProcessId.of(os.getpid())
    assert me.alive()
    assert ProcessId.parse(str(me)) == me
    assert not ProcessId(me.pid, me.started + 1).alive()
    with subprocess.Popen(["true"]) as short:
        gone = ProcessId.of(short.pid)
    assert not gone.alive()


def test_claims_hold_while_their_process_lives(tmp_path: Path) -> None:
    claims = tmp_path / "claims"
    assert not held(claims)
    add_claim(claims, f"{os.getpid()}-1")
    add_claim(claims, "no claim at all")
    assert not held(claims), "another process had this pid"
    add_claim(claims, "up")
    assert held(claims)
    remove_claim(claims, "up")
    assert not held(claims)
