"""What two processes must share for the same last digit."""

from __future__ import annotations

import pytest

from streams.batch.cluster.likeness import PROCESSOR, WorkerUnlike, check, likeness


def test_a_process_is_like_itself_and_names_the_code_the_libraries_and_the_processor() -> None:
    check(likeness())
    assert {"dosetwin", "Python", "numpy", "scipy", "numba", PROCESSOR} <= likeness().keys()


def test_each_difference_is_named() -> None:
    with pytest.raises(WorkerUnlike, match=r"^numpy [\d.]+, not 1\.0; fortran is missing, not 77$"):
        check({**likeness(), "numpy": "1.0", "fortran": "77"})
