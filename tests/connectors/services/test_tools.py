"""A tool that is missing or too old is named with the way to get it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connectors.services.tools import MissingTool, require


def test_a_missing_tool_is_named_with_the_package_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingTool) as error:
        require(("java", "go"))
    assert "'java' (runs Kafka) is not installed: on Debian 'apt-get install openjdk-17-jre-headless'" in str(
        error.value
    )
    assert "'go' (builds InfluxDB) is not installed" in str(error.value)


def test_a_tool_that_is_too_old_is_named_with_both_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    old.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(MissingTool, match=r"'java' \(runs Kafka\) is 11\.0, but 17\.0 or newer is needed"):
        require(("java",))
