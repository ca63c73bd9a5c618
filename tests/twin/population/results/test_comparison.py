"""Fits are ranked by the likelihood, and tested only where a test is valid."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy import stats

from twin.population.results.comparison import CompareError, FitFound, chi_squared_tail, ranked, ratio_tests

FULL = FitFound("full", "d", "m", "focei", frozenset({"CL", "V", "WT_CL", "omega.V"}), (), 100.0, 0.1, 108, 112, True)
BASE = replace(
    FULL, name="base", free=frozenset({"CL", "V", "omega.V"}), fixed=(("WT_CL", 0.0),), minus_2_log=110.0, aic=116.0
)


def test_the_least_aic_stands_first() -> None:
    assert [one.name for one in ranked([BASE, FULL])] == ["full", "base"]


def test_a_part_is_tested_against_the_whole() -> None:
    (test,) = ratio_tests([BASE, FULL])
    assert (test.smaller, test.larger, test.freedom, test.ratio) == ("base", "full", 1, 10.0)
    assert test.p == pytest.approx(stats.chi2.sf(10.0, 1))
    assert test.said == "full is better"
    (same,) = ratio_tests([replace(BASE, minus_2_log=100.5), FULL])
    assert same.said == "base does as well"
    assert chi_squared_tail(-0.2, 1) == 1.0


def test_what_cannot_be_told_is_not_told() -> None:
    near = replace(BASE, minus_2_log=103.9)
    assert ratio_tests([near, FULL])[0].said.startswith("not decided")
    assert "did not converge" in ratio_tests([replace(BASE, converged=False), FULL])[0].said
    edge = replace(BASE, free=frozenset({"CL", "V", "WT_CL"}), fixed=(("omega.V", 1e-9),))
    assert "edge" in ratio_tests([edge, FULL])[0].said
    assert "classes of one of them are alike" in ratio_tests([replace(BASE, alike=True), FULL])[0].said
    assert ratio_tests([replace(BASE, model="other"), FULL]) == ()
    assert ratio_tests([replace(BASE, free=frozenset({"CL", "Q"})), FULL]) == ()


@pytest.mark.parametrize(
    ("fits", "said"),
    [
        ([FULL], "at least two"),
        ([FULL, FULL], "full is given twice"),
        ([FULL, replace(BASE, data="e")], "base is of other data"),
    ],
)
def test_fits_that_cannot_be_compared_are_named(fits: list[FitFound], said: str) -> None:
    with pytest.raises(CompareError, match=said):
        ranked(fits)
