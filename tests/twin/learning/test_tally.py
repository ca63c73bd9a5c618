"""What judges say together, whatever their order and however they are parted; and who a subgroup is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from twin.learning.sums import TooFew
from twin.learning.tally import EMPTY, Tally, for_others, subgroup, tally, tally_from

HEAVY = subgroup("WT>=80", ["WT"])
JUDGES = some.lists(some.tuples(some.floats(-30, 30), some.sampled_from([60.0, 90.0])), min_size=2, max_size=12)


def of(judges: list[tuple[float, float]]) -> Tally:
    return tally([better for better, _ in judges], [{"WT": weight} for _, weight in judges], [HEAVY])


@given(JUDGES, some.integers(1, 11), some.randoms())
def test_order_and_parts_change_no_bit(judges: list[tuple[float, float]], cut: int, chance: object) -> None:
    whole, mixed = of(judges), list(judges)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    for other in (of(mixed), of(mixed[:cut]).plus(of(mixed[cut:])), EMPTY.plus(whole), tally_from(whole.as_said())):
        assert other.as_said() == whole.as_said()


def test_mean_and_error_are_those_of_the_patients() -> None:
    each = np.random.default_rng(1).normal(0.2, 1.0, 50)
    found = tally(each.tolist(), [{}] * 50)
    assert found.mean == pytest.approx(each.mean())
    assert found.error == pytest.approx(each.std(ddof=1) / math.sqrt(50))
    assert (EMPTY.mean, EMPTY.error) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"total": ["0"]}, "total: must be 3 hexadecimal numbers"),
        ({"total": ["x", "0", "0"]}, "no tally .*'dosetwin learn judge' writes it"),
        ({"patients": -1}, "-1 is no number of patients"),
        ({"subgroup_patients": []}, "no tally"),
    ],
)
def test_what_is_no_tally_is_refused(changed: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        tally_from({**of([(0.1, 60.0), (0.2, 90.0)]).as_said(), **changed})
    with pytest.raises(ValueError, match="no tally"):
        tally_from({})


@pytest.mark.parametrize("text", ["WT", "WT<", "HT<3", "WT<inf", "<3"])
def test_a_subgroup_that_is_none_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"write NAME<NUMBER.*covariates are WT"):
        subgroup(text, ["WT"])


def test_levels_are_subgroups_too() -> None:
    women = subgroup("SEX=1", ["SEX"])
    assert women.holds({"SEX": 1.0})
    assert not women.holds({"SEX": 0.0})


def test_what_leaves_a_site_tells_of_no_fewer_than_five() -> None:
    weights = [60.0] * 7 + [70.0] * 2 + [90.0] * 6
    known = [{"WT": weight} for weight in weights]
    groups = [subgroup(text, ["WT"]) for text in ("WT>=80", "WT<65", "WT<40", "WT<200")]
    whole = tally(np.arange(15.0).tolist(), known, groups)
    told = for_others(whole, known, groups)
    assert {name: group.patients for name, group in told.groups.items()} == {
        "WT>=80": 6,
        "WT<65": 0,  # with the one before the two between would be told
        "WT<40": 0,
        "WT<200": 15,
    }
    assert told.as_said()["total"] == whole.as_said()["total"]
    assert told.groups["WT>=80"].mean == whole.groups["WT>=80"].mean
    alone = for_others(whole, known, groups[1:])
    assert alone.groups["WT<65"].patients == 7
    with pytest.raises(TooFew, match="patients: 4, and a sum over fewer than 5 tells of one"):
        for_others(tally([0.1] * 4, known[:4]), known[:4], [])
