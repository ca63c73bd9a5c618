"""Pages that wait for the last one."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.listeners.fhir.spool import IN_MEMORY, Spool


@pytest.mark.parametrize("size", [0, 7, IN_MEMORY])
def test_pages_come_back_from_the_last_to_the_first(tmp_path: Path, size: int) -> None:
    pages = [bytes([number]) * (size + number) for number in range(4)]
    with Spool(tmp_path) as spool:
        for page in pages:
            spool.put(page)
        assert list(spool.from_the_last()) == pages[::-1]
        assert list(tmp_path.iterdir()) == []  # a file without a name ends with the process


def test_without_pages_there_are_none() -> None:
    with Spool(None) as spool:
        assert list(spool.from_the_last()) == []
