"""Toxicities ahead: the worst value, its day, how likely it is, and for how long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from twin import load_model
from twin.clock import DAY_MS, HOUR_MS
from twin.events import ToxicityAhead, from_millis
from twin.observation.observation import Observation
from twin.patient.ahead.toxicities import (
    Now,
    ahead_of,
    kept,
    longest,
    nadir_of,
    now_of,
    present,
    reading,
    since_of,
    standing,
    views_of,
)
from twin.patient.bands import band, forecast_times

DOCETAXEL, FLUOROURACIL = load_model("docetaxel_ozawa2007"), load_model("fluorouracil_yamada2025")
HORIZON = 504 * HOUR_MS
GRADE_4, PROLONGED = DOCETAXEL.toxicities
WEIGHT = np.array([0.1, 0.3, 0.4, 0.2])


def counts(lowest: NDArray[np.float64], low_day: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times (T,) and outputs (T, 2, N) of four particles whose counts fall and rise again."""
    times = forecast_times(0, HORIZON)
    values = lowest + 0.05 * (times[:, None] / DAY_MS - low_day) ** 2
    return times, np.stack([np.ones_like(values), values], axis=1)


def foreseen(**changes: object) -> ToxicityAhead:
    times, along = counts(np.array([0.3, 0.4, 0.9, 2.0]), np.array([5.0, 9.0, 11.0, 14.0]))
    return reading(ahead_of(GRADE_4, DOCETAXEL, times, along), WEIGHT, 0, {}).model_copy(update=changes)


def test_the_nadir_is_the_lowest_count_of_each_particle_and_its_day() -> None:
    low_day = np.array([5.0, 9.0, 11.0, 14.0])
    found, (_, along) = foreseen(), counts(np.array([0.3, 0.4, 0.9, 2.0]), low_day)
    assert (found.name, found.output, found.side, found.limit) == ("neutropenia_g4", "neutrophils", "below", 0.5)
    assert (found.grade, found.ctcae, found.lasting_hours) == (4, "5.0", 0.0)
    assert found.probability == pytest.approx(0.4)
    assert found.value == band("neutrophils", "10*9/L", along[:, 1].min(axis=0), WEIGHT)
    assert found.day.median == pytest.approx(band("nadir_day", "d", low_day, WEIGHT).median, abs=0.25)


def test_the_peak_is_what_counts_of_a_toxicity_that_rises() -> None:
    rising = replace(GRADE_4, name="leukocytosis", side="above", limit=5.0)
    times, along = counts(np.array([0.3, 0.4, 0.9, 2.0]), np.array([0.0, 5.0, 21.0, 10.5]))
    found = reading(ahead_of(rising, DOCETAXEL, times, along), WEIGHT, 0, {})
    highest = along[:, 1].max(axis=0)
    assert found.value == band("neutrophils", "10*9/L", highest, WEIGHT)
    assert found.probability == pytest.approx(WEIGHT[highest > 5.0].sum())
    assert (found.day.q05, found.day.q95) == (0.0, 21.0)


def test_only_the_horizon_of_the_toxicity_counts() -> None:
    (toxicity,) = FLUOROURACIL.toxicities
    times = np.array([0, 100, 336, 337], dtype=np.int64) * HOUR_MS
    out = np.ones((4, 2, 3)) * np.array([5.0, 4.0, 3.0, 0.1])[:, None, None]
    found = reading(ahead_of(toxicity, FLUOROURACIL, times, out), np.full(3, 1 / 3), 0, {})
    assert found.probability == 0.0
    assert found.value.median == 3.0
    assert found.day.median == pytest.approx(14.0)


def test_a_count_that_is_low_for_a_week_is_low_for_long_and_one_of_five_days_is_not() -> None:
    # Under 0.5 for 2 sqrt((0.5 - lowest) / 0.05) days: 8.9, 5.7, not at all.
    times, along = counts(np.array([-0.49, 0.1, 0.9, 2.0]), np.array([9.0, 9.0, 11.0, 14.0]))
    found = reading(ahead_of(PROLONGED, DOCETAXEL, times, along), WEIGHT, 0, {})
    assert found.lasting_hours == 168.0
    assert found.probability == pytest.approx(0.1)
    assert ahead_of(GRADE_4, DOCETAXEL, times, along).suffered.tolist() == [1, 1, 0, 0]


def test_the_days_for_which_it_is_low_already_count() -> None:
    # The second particle is low now, and for some four days more.
    times, along = counts(np.array([2.0, 0.1, 0.9, 2.0]), np.array([9.0, 1.0, 11.0, 14.0]))
    fresh = ahead_of(PROLONGED, DOCETAXEL, times, along, {})
    low_before = ahead_of(PROLONGED, DOCETAXEL, times, along, {"neutropenia_prolonged": -4 * DAY_MS})
    assert fresh.suffered.tolist() == [0, 0, 0, 0]
    assert low_before.suffered.tolist() == [0, 1, 0, 0]


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(0, 10))
def test_the_longest_run_is_that_of_the_longest_stretch(beyond: list[bool], elapsed: int) -> None:
    found = longest(np.array(beyond)[:, None], np.arange(len(beyond), dtype=np.int64), elapsed)[0]
    text = "".join("x" if one else " " for one in beyond)
    runs = [len(part) for part in text.split()]
    first = len(text) - len(text.lstrip("x"))
    expected = max([first - 1 + elapsed if first else 0, *(runs[1:] if first else runs)], default=0)
    assert found == expected


def test_since_when_it_is_low_is_remembered_while_it_is_more_likely_than_not() -> None:
    low, high = {"neutropenia_g4": Now(0.8, 0.3)}, {"neutropenia_g4": Now(0.5, 0.5)}
    assert standing(low, {}, 100) == {"neutropenia_g4": 100}
    assert standing(low, {"neutropenia_g4": 40}, 100) == {"neutropenia_g4": 40}
    assert standing(high, {"neutropenia_g4": 40}, 100) == {}
    before = (foreseen(),)
    after = kept(before, {"neutropenia_g4": 40})
    assert after[0].since == from_millis(40)
    assert since_of(after) == {"neutropenia_g4": 40}
    assert kept(after, {"neutropenia_g4": 40}) == after
    assert kept(after, {}) == before


def test_the_nadir_published_is_of_the_first_toxicity_that_falls() -> None:
    low = foreseen()
    found = nadir_of((foreseen(side="above"), foreseen(lasting_hours=168.0), low))
    assert found is not None
    assert (found.output, found.value, found.day, found.p_grade4) == (low.output, low.value, low.day, low.probability)
    assert nadir_of((foreseen(side="above"),)) is None


def test_rules_see_every_toxicity_with_what_was_measured_on_its_side() -> None:
    values = {"neutrophils": np.array([0.3, 0.4, 0.9, 2.0])}
    p_now = present(DOCETAXEL.toxicities, values, WEIGHT)
    assert p_now == {"neutropenia_g4": pytest.approx(0.4), "neutropenia_prolonged": pytest.approx(0.4)}
    now = now_of(p_now, DOCETAXEL.toxicities, [band("neutrophils", "10*9/L", values["neutrophils"], WEIGHT)])
    rising = foreseen(name="neutropenia_prolonged", side="above")
    old, *measured = (Observation(day * DAY_MS, f"c{day}", 1, value) for day, value in [(0, 0.1), (20, 0.6), (25, 3.0)])
    views = views_of((foreseen(), rising), DOCETAXEL, now, [old, *measured], 30 * DAY_MS)
    assert [view.name for view in views] == ["neutropenia_g4", "neutropenia_prolonged"]
    assert [view.measured for view in views] == [(0.6, 20 * DAY_MS), (3.0, 25 * DAY_MS)]
    assert views[0].day == pytest.approx(foreseen().day.median - 30)
    assert (views[0].horizon_hours, views[0].now) == (504.0, now["neutropenia_g4"].median)
