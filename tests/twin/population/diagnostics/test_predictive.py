"""Each output is checked by what it can be: percentiles, shares beyond a limit, shares of categories."""

from __future__ import annotations

import numpy as np

from tests.twin.population.diagnostics import cohorts
from twin.population.diagnostics.effects import covariates_of, strata
from twin.population.diagnostics.predictive import Measured, checks, limits_of
from twin.population.diagnostics.simulated import simulated


def test_values_below_a_limit_have_a_panel_of_their_own_and_stand_at_it_elsewhere() -> None:
    cohort = cohorts.mixed()
    measured = Measured.of(cohort)
    drawn = simulated(cohort, cohort.theta.start, 1, 300)
    level, grade = checks(cohort, measured, np.ones(len(measured.value)), drawn)
    assert level.plain is not None
    assert level.corrected is not None
    ((name, below),) = level.shares
    assert name == "below 1"
    # The data were drawn from the model itself.
    assert sum(one.interval[0] <= one.observed <= one.interval[1] for one in below) >= len(below) - 1
    assert below[-1].observed > 0.3
    assert min(one.interval.min() for one in level.plain.bins) >= 1.0
    inside = [b.interval[k, 0] <= b.observed[k] <= b.interval[k, 1] for b in level.plain.bins for k in range(3)]
    assert np.mean(inside) > 0.75
    assert grade.plain is None
    assert [name for name, _ in grade.shares] == ["0", "1"]
    for no, yes in zip(grade.shares[0][1], grade.shares[1][1], strict=True):
        assert no.observed + yes.observed == 1.0


def test_groups_are_checked_apart() -> None:
    cohort = cohorts.mixed()
    measured = Measured.of(cohort)
    drawn = simulated(cohort, cohort.theta.start, 1, 100)
    sex = strata(covariates_of(cohort)[1])
    found = checks(cohort, measured, np.ones(len(measured.value)), drawn, sex)
    assert [(one.output, one.group) for one in found] == [(0, "SEX 0"), (0, "SEX 1"), (1, "SEX 0"), (1, "SEX 1")]
    assert sum(b.values for one in found[:2] if one.plain for b in one.plain.bins) == 160


def test_the_limit_of_a_value_is_its_own_or_the_usual_one() -> None:
    measured = Measured.of(cohorts.mixed())
    low, high = limits_of(measured)
    assert set(low[measured.output == 0]) == {1.0}
    assert np.isneginf(low[measured.output == 1]).all()
    assert np.isposinf(high).all()
