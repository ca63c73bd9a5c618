"""What came of a course, of a truth that is drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from twin import load_model
from twin.clock import DAY_MS
from twin.trial.doses.outcome import cycle_of

MODEL = load_model("fluorouracil_yamada2025")
TARGET, TOXICITY = MODEL.targets[0], MODEL.toxicities[0]
TIMES = np.arange(0, 30, dtype=np.int64) * DAY_MS


def course(exposure: float, lowest: float, day: int) -> dict[str, np.ndarray]:
    leukocytes = np.full(30, 5.0)
    leukocytes[day] = lowest
    auc = np.where(TIMES < 14 * DAY_MS, exposure, 1.0)  # it begins again with the next course
    return {"AUC": auc, "leukocytes": leukocytes}


@pytest.mark.parametrize(
    ("exposure", "within", "near"),
    [(25.0, True, True), (20.5, True, False), (19.0, False, False), (31.0, False, False)],
)
def test_an_exposure_is_that_of_the_whole_course(exposure: float, within: bool, near: bool) -> None:
    found = cycle_of(MODEL, TARGET, (), (TIMES, course(exposure, 5.0, 0)), (0, 14 * DAY_MS), (80.0, 100.0))
    assert (found.exposure, found.within, found.near, found.intensity) == (exposure, within, near, 0.8)


@pytest.mark.parametrize(("lowest", "day", "came"), [(0.9, 10, True), (1.1, 10, False), (0.9, 20, False)])
def test_a_toxicity_counts_in_the_course_in_which_it_came(lowest: float, day: int, came: bool) -> None:
    found = cycle_of(MODEL, None, (TOXICITY,), (TIMES, course(25.0, lowest, day)), (0, 14 * DAY_MS), (1.0, 1.0))
    assert found.suffered == {"leukopenia_g4": came}
    assert found.within is None
