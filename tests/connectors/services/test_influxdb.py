"""The build respects what the user configured."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connectors.services import influxdb
from connectors.services.progress import CommandFailed


def test_the_build_leaves_cargo_alone_only_where_the_user_configured_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    environment = influxdb._build_environment(tmp_path / "work", tmp_path / "wrap", {"GOFLAGS": "-x"})
    assert environment["CARGO_HOME"] == str(tmp_path / "work" / "cargo")
    assert environment["GOFLAGS"] == "-x -buildvcs=false -mod=readonly"
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text("")
    assert "CARGO_HOME" not in influxdb._build_environment(tmp_path / "work", tmp_path / "wrap", {})


def test_a_build_that_was_interrupted_goes_on_with_what_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    # Compiles one package a call, as an interrupted build does, and the server where it finds two.
    go.write_text(
        '#!/bin/sh\ncase "$*" in *pkg-config*) exit 0;; esac\n'
        f'[ "$(nice)" = {os.nice(0)} ] || {{ echo somebody waits for it; exit 8; }}\n'
        'echo "example.org/p$(ls "$CARGO_HOME" | wc -l)"; mkdir -p "$CARGO_HOME"; touch "$CARGO_HOME/$$"\n'
        '[ "$(ls "$CARGO_HOME" | wc -l)" -ge 2 ] || exit 9\n'
        'while [ "$1" != -o ]; do shift; done; echo server > "$2"\n'
    )
    go.chmod(0o700)
    monkeypatch.setenv("PATH", f"{go.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CARGO_HOME", raising=False)
    monkeypatch.setattr(influxdb, "require", lambda _names: None)
    with pytest.raises(CommandFailed, match="exit code 9"):
        influxdb.binary(print)
    assert influxdb.binary(print).read_text() == "server\n"
    assert [path.name for path in (tmp_path / "cache" / "dosetwin").glob("*build*")] == []


def test_progress_counts_what_earlier_builds_compiled_but_not_their_time() -> None:
    log = "\n".join(f"example.org/p{i}" for i in range(695))
    words = influxdb.build_progress(log, 60.0, before=200)
    assert words.endswith("695 of about 1190 packages compiled, about 1 min left")
    assert "left" not in influxdb.build_progress(log, 60.0, before=695)
