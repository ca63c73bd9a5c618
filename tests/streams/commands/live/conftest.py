"""Topics of a test's own, which commands without options find too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.streams.worker.stage import Stage


@pytest.fixture
def stage(kafka: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(kafka)
    monkeypatch.setenv("DOSETWIN_KAFKA", stage.bootstrap)
    monkeypatch.setenv("DOSETWIN_TOPIC_PREFIX", stage.prefix)
    monkeypatch.setenv("DOSETWIN_PARTITIONS", str(stage.partitions))
    yield stage
    stage.close()
