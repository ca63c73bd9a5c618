"""A network is taken where patients left out bear it out, and not otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.covariates.learning_figures import one, simulated
from twin.arrays import Floats
from twin.covariates import held_out
from twin.covariates.characteristics import CovariateError
from twin.covariates.held_out import Task, Verdict, all_weights, chosen, drawn_anew, judged

FEW = {"covariates": 3, "draws_each": 64}
"""Half of what `tests.twin.covariates.learning_figures` looks at, in a tenth of the time."""


def test_a_maturation_that_is_there_is_taken_and_nearly_whole() -> None:
    verdict, left, _ = one(3, "maturation", **FEW)
    assert verdict.accepted
    assert all(penalty is not None for penalty in verdict.penalties)
    assert verdict.interval[0] > 0.05
    assert left < 0.25


def test_nothing_is_taken_where_there_is_nothing() -> None:
    assert not one(1, "nothing", **FEW)[0].accepted


def test_no_network_is_taken_that_left_out_patients_only_seem_to_bear_out() -> None:
    few_gain = np.r_[np.full(2, 6.0), np.zeros(78)]
    alone = np.arange(80)
    assert not Verdict(few_gain, alone, (0.5,) * 5, 0.5).accepted
    assert Verdict(np.tile([0.1, 0.3], 40), alone, (0.5,) * 5, 0.5).accepted
    assert not Verdict(np.tile([0.1, 0.3], 40), alone, (0.5,) * 5, None).accepted


def test_an_interval_over_sites_does_not_take_patients_of_one_site_for_several() -> None:
    gain = np.random.default_rng(1).normal(0.2, 0.5, 20)
    alone, twice = (
        Verdict(gain, np.arange(20), (0.5,) * 5, 0.5),
        Verdict(np.repeat(gain, 4), np.repeat(np.arange(20), 4), (0.5,) * 5, 0.5),
    )
    assert alone.interval == pytest.approx(
        (gain.mean() - 1.959964 * gain.std(ddof=1) / 20**0.5, gain.mean() + 1.959964 * gain.std(ddof=1) / 20**0.5)
    )
    assert twice.interval == pytest.approx(alone.interval)


def test_whole_sites_are_left_out_and_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = simulated(1, "nothing", 40, **FEW, sites=5)
    site = task.drawn.alone
    parted = []

    def looked_at(learn: Task, out: Task, penalties: tuple[float, ...]) -> Floats:
        inside, outside = ({tuple(row) for row in each.x.tolist()} for each in (learn, out))
        of = [
            {int(site[n]) for n, row in enumerate(task.x.tolist()) if tuple(row) in some} for some in (inside, outside)
        ]
        parted.append(not of[0] & of[1])
        return np.zeros((len(penalties), len(out.x)))

    monkeypatch.setattr(held_out, "_differences", looked_at)
    assert not judged(task).accepted
    assert len(parted) >= 15
    assert all(parted)
    again = drawn_anew(site, np.random.default_rng(3))
    assert all(
        (np.bincount(again, minlength=40)[site == one] == (again == np.argmax(site == one)).sum()).all()
        for one in range(5)
    )


def test_what_is_learnt_depends_on_nothing_but_patients_and_seed() -> None:
    task, _ = simulated(2, "maturation", 40, **FEW)
    assert chosen(task, 2) == chosen(task, 2)
    first, second = (all_weights(task, 1.0, 1) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    for one_of, other in zip(first[1], second[1], strict=True):
        np.testing.assert_array_equal(one_of.packed(), other.packed())
    assert (first[1][0].packed() != first[1][1].packed()).any()


def test_too_few_patients_are_refused() -> None:
    task, _ = simulated(1, "nothing", 39)
    with pytest.raises(CovariateError, match="39 patients are too few to learn effects from and judge them by; 40"):
        judged(task)
