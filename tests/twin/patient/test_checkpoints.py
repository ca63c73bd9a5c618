"""Which points are kept: the newest closely, older ones as a ladder, and few clouds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twin.alerts.lifecycle import AlertBook
from twin.alerts.snapshot import Snapshot
from twin.filter.belief import Belief
from twin.filter.trunk import TrunkPosition
from twin.patient.checkpoints import (
    BELIEFS_KEPT,
    CLOUDS_KEPT,
    POINTS_KEPT,
    SNAPSHOTS_KEPT,
    Point,
    forget_clouds,
    ladder,
    resumable,
    shed,
)
from twin.solver.cloud import Cloud


def points(beliefs: list[int]) -> list[Point]:
    """One point an hour, with the belief and the cloud of that number."""
    known = {n: Belief(np.zeros((1, 1)), np.zeros(1), observations=n) for n in set(beliefs)}
    clouds = {n: Cloud(n, 0, np.zeros((1, 0)), np.zeros((1, 0))) for n in set(beliefs)}
    positions = {n: TrunkPosition(known[n], clouds[n], clouds[n], np.zeros(1)) for n in known}
    return [Point(hour, positions[n], AlertBook()) for hour, n in enumerate(beliefs)]


def numbers(found: list[Point]) -> list[int]:
    return [point.position.belief.observations for point in found]


@given(st.lists(st.integers(0, 3), max_size=300).map(lambda steps: np.cumsum(steps).tolist()))
def test_a_ladder_keeps_the_newest_and_a_rung_of_older_beliefs(beliefs: list[int]) -> None:
    every = points(beliefs)
    kept = ladder(every)
    assert kept[-POINTS_KEPT:] == every[-POINTS_KEPT:]
    older = kept[:-POINTS_KEPT]
    assert len(older) <= BELIEFS_KEPT
    assert len(set(numbers(older))) == len(older)
    assert [point.millis for point in kept] == sorted(point.millis for point in kept)


def test_the_rungs_of_a_ladder_are_at_doubling_distances() -> None:
    every = points([*range(100), *[100] * POINTS_KEPT])
    assert numbers(ladder(every)[:-POINTS_KEPT]) == [68, 84, 92, 96, 98, 99]


def test_a_row_keeps_the_newest_points_and_the_last_of_the_beliefs_before() -> None:
    found = resumable(points([0, 0, 1, 1, 2, 3, 3, 3]))
    assert [point.millis for point in found] == [3, 4, 6, 7]
    assert numbers(found) == [1, 2, 3, 3]
    assert resumable([]) == []


def test_only_the_newest_clouds_stay_in_memory() -> None:
    found = points([0, 1, 1, 2, 2])
    forget_clouds(found)
    assert [point.position.cloud is not None for point in found] == [False, True, True, True, True]
    assert CLOUDS_KEPT == 2
    assert found[0].position.belief.observations == 0, "the belief stays"
    forget_clouds(found)
    assert [point.position.cloud is not None for point in found] == [False, True, True, True, True]


def test_the_cloud_of_the_estimate_grid_stays_with_the_newest_point_alone() -> None:
    found = points([0, 0, 1, 1])
    found = [replace(p, position=replace(p.position, grid_cloud=p.position.cloud)) for p in found]
    forget_clouds(found)
    assert [point.position.grid_cloud is not None for point in found] == [False, False, False, True]
    assert found[0].position.cloud is found[1].position.cloud is not None


def test_a_fold_that_rests_keeps_the_newest_cloud_of_the_trunk_alone() -> None:
    found = points([0, 1, 2, 2])
    found = [replace(p, position=replace(p.position, grid_cloud=p.position.cloud)) for p in found]
    beliefs, trunk = [point.position.belief for point in found], found[-1].position.cloud
    shed(found)
    assert [point.position.cloud is not None for point in found] == [False, False, True, True]
    assert found[-1].position.cloud is trunk
    assert not any(point.position.grid_cloud for point in found)
    assert all(point.position.belief is belief for point, belief in zip(found, beliefs, strict=True))
    shed([])


def test_a_fold_that_rests_keeps_of_older_points_nothing_for_rules_to_judge_again() -> None:
    found = [replace(p, snapshot=Snapshot("P-1", p.millis, 1.0, None)) for p in points([0] * (POINTS_KEPT + 2))]
    shed(found)
    kept = [point.snapshot is not None for point in found]
    assert kept == [*[False] * (len(found) - SNAPSHOTS_KEPT), *[True] * SNAPSHOTS_KEPT]
