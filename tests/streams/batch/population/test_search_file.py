"""A search that was written down is the same to the last bit; one for something else is not taken up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streams.batch.population.search_file import keep, kept
from twin.population.search import State

STATE = State(np.array([0.1, -1 / 3]), np.array([[2.0, 0.1], [0.1, 1 / 7]]), 5, True)


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    keep(tmp_path / "search.json", "key", STATE)
    found = kept(tmp_path / "search.json", "key")
    assert found is not None
    np.testing.assert_array_equal(found.vector, STATE.vector)
    assert found.curvature is not None
    assert STATE.curvature is not None
    np.testing.assert_array_equal(found.curvature, STATE.curvature)
    assert (found.step, found.near, found.why) == (5, True, "")


def test_another_search_or_a_broken_file_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "search.json"
    assert kept(path, "key") is None
    keep(path, "key", State(np.zeros(2)))
    assert kept(path, "other") is None
    path.write_text('{"key": "key"')
    assert kept(path, "key") is None
