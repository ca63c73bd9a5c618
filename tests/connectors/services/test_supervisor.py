"""Processes are told apart, and claims hold while their process lives."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from connectors.services.supervisor import (
    ProcessId,
    add_claim,
    environment,
    held,
    python_module,
    remove_claim,
    start_part,
)


def test_a_process_is_told_from_a_later_one_with_its_pid() -> None:
    me = ProcessId.of(os.getpid())
    assert me.alive()
    assert ProcessId.parse(str(me)) == me
    assert not ProcessId(me.pid, me.started + 1).alive()
    with subprocess.Popen(["true"]) as short:
        gone = ProcessId.of(short.pid)
    assert not gone.alive()


def test_a_child_sees_what_programs_need_and_no_secret() -> None:
    mine = {"PATH": "/bin", "LC_ALL": "C", "JAVA_HOME": "/java", "GOPROXY": "p", "NUMBA_NUM_THREADS": "2",
            "DOSETWIN_KAFKA": "k:1", "DOSETWIN_INFLUX_TOKEN": "t", "CARGO_REGISTRY_TOKEN": "t", "PGPASSWORD": "p",
            "DOSETWIN_GRAFANA_PASSWORD": "p", "AWS_ACCESS_KEY_ID": "a"}  # fmt: skip
    assert sorted(environment(mine)) == ["GOPROXY", "JAVA_HOME", "LC_ALL", "PATH"]
    assert environment(mine, ours=True).keys() - environment(mine) == {"DOSETWIN_KAFKA", "NUMBA_NUM_THREADS"}


def test_nothing_is_imported_from_the_folder_that_somebody_is_in(tmp_path: Path) -> None:
    (tmp_path / "psutil.py").write_text("raise SystemExit('planted')")
    command = python_module("connectors.services.supervisor", "--help")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_part_of_this_program_sees_our_settings_and_what_it_is_given_and_says_all_into_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_KAFKA", "no-port")
    with (tmp_path / "log").open("wb") as log:
        part = start_part("topics", "list", log=log, secrets={"DOSETWIN_TOPIC_PREFIX": "a b"})
    assert part.wait(300) == 1
    said = (tmp_path / "log").read_text()
    assert "DOSETWIN_KAFKA='no-port'" in said
    assert "DOSETWIN_TOPIC_PREFIX='a b'" in said


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
