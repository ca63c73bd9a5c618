"""Problems of the benchmark are what they say, and the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from streams.bench.estimation.problems import COAGULATION, RICH, SPARSE, TARGET, Problem
from twin.population.theta import Theta


@pytest.mark.parametrize("problem", [RICH, SPARSE, COAGULATION, TARGET], ids=lambda problem: problem.name)
def test_truth_and_start_are_of_the_same_equations_with_other_numbers(problem: Problem) -> None:
    truth, start = problem.truth, problem.start
    assert truth.eta_names == start.eta_names == tuple(number.name for number in problem.numbers)
    assert Theta.of(truth).names == Theta.of(start).names
    assert not np.allclose(truth.omega, start.omega)
    assert (np.linalg.eigvalsh(truth.omega) > 0.0).all()


def test_every_pair_of_effects_correlates_where_the_whole_of_omega_is_sought() -> None:
    names = Theta.of(TARGET.start).names
    assert sum(name.startswith("omega.") for name in names) == 8 * 9 // 2
    assert len(names) == 46


def test_patients_are_the_same_at_every_call_and_measured_as_said() -> None:
    once, again = SPARSE.cohort(8), SPARSE.cohort(8)
    for one, other in zip(once.subjects, again.subjects, strict=True):
        assert [(o.millis, o.value) for o in one.observations] == [(o.millis, o.value) for o in other.observations]
    assert [len(one.observations) for one in once.subjects] == [2, 3, 2, 3] * 2
    assert {len(one.observations) for one in RICH.cohort(3).subjects} == {11}
    # Levels are measured as long as there is something to be measured.
    levels = [[o.value for o in one.observations if o.output == 0] for one in TARGET.cohort(4).subjects]
    assert [len(one) for one in levels] == [7, 9, 11, 13]
    assert min(min(one) for one in levels) > 1e-3
