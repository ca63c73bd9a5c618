"""The build respects what the user configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.services import influxdb


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
