"""Patients of a fit are stepped no more finely than they need, and end where the finest steps end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.population.test_objective import timelines
from tests.twin.solver.test_step_control import SATURABLE
from twin.kernel.kernel import compile_model
from twin.population.cohort import Cohort
from twin.population.objective import Objective
from twin.population.subjects import Subject, cut
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for

LINES = (
    "ID,TIME,EVID,AMT,DV",
    *("1,0,1,300,.", "1,1,0,.,14", "1,12,0,.,8", "1,24,0,.,1", "1,30,0,.,0.1", "1,120,0,.,0.001"),
    *("2,0,1,2,.", "2,0,0,.,0.1", "2,6,0,.,0.05", "2,48,0,.,0.001"),
)

FADING = ({"ka": "1 1/h 0.4", "k": "0.05 1/h 0.1", "V": "20 L 0.04", "half": "2 mg/L 0.1", "out": "0.05 1/h",
           "D0": "5000 mg"},
          {"D": "mg: input(toxin) - ka*D*D0/(D0 + D)", "A": "mg: ka*D*D0/(D0 + D) - k*A",
           "E": "1: 1 -> out*(1 - A/V/(half + A/V)) - out*E"},
          {"level": "mg/L: A/V", "effect": "1: E"})  # fmt: skip
"""What is absorbed has faded away long before the last value."""


def steps(subjects: tuple[Subject, ...]) -> int:
    return sum(len(stretch.steps.dt) for subject in subjects for stretch in subject.stretches or ())


def test_steps_are_long_where_nothing_is_sharp_and_predictions_stay() -> None:
    model = toys.made(*SATURABLE)
    kernel, every = compile_model(model), timelines(model, LINES)
    sizes = step_sizes_for(kernel, every["1"].delivered)
    cohort = Cohort(kernel, sizes, every, Theta.of(model))
    fine = tuple(cut(subject, kernel, sizes, ()) for subject in cohort.subjects)
    assert steps(cohort.subjects) < 0.6 * steps(fine)
    assert max(len(subject.stretches or ()) for subject in cohort.subjects) < 12
    z = np.random.default_rng(1).normal(0.0, 0.3, (2, 5, cohort.size))
    which, place = np.arange(2), cohort.theta.start.place
    found = cohort.predictions(which, z, place)
    cohort.subjects = fine
    expected = cohort.predictions(which, z, place)
    assert found == pytest.approx(expected, rel=3e-6, abs=1e-9)


def test_whoever_is_faster_than_all_who_were_looked_at_is_stepped_as_suits_everything() -> None:
    model = toys.made(*FADING)
    values = (f"{n},{hours},0,.,1" for n in (1, 2) for hours in (1, 24, 120, 240, 480, 720))
    lines = ("ID,TIME,EVID,AMT,DV", "1,0,1,300,.", "2,0,1,2,.", *values)
    kernel, every = compile_model(model), timelines(model, lines)
    cohort = Cohort(kernel, step_sizes_for(kernel, every["1"].delivered), every, Theta.of(model))
    fine = tuple(cut(subject, kernel, cohort.step_sizes, ()) for subject in cohort.subjects)
    assert steps(cohort.subjects) < steps(fine)
    # Rates of absorption up to 4 standard deviations, twice as fast as the fastest who were looked at.
    z = np.zeros((2, 9, cohort.size))
    z[:, :, 0] = np.linspace(-4.0, 4.0, 9) * np.sqrt(0.4)
    which, place = np.arange(2), cohort.theta.start.place
    found = [cohort.predictions(which, z[:, [n]], place) for n in range(9)]
    cohort.subjects = fine
    expected = [cohort.predictions(which, z[:, [n]], place) for n in range(9)]
    assert np.hstack(found) == pytest.approx(np.hstack(expected), rel=1e-5, abs=1e-9)


def test_about_modes_steps_are_longer_and_a_search_begins_with_those_of_the_population() -> None:
    model = toys.made(*SATURABLE)
    kernel, every = compile_model(model), timelines(model, LINES)
    cohort = Cohort(kernel, step_sizes_for(kernel, every["1"].delivered), every, Theta.of(model))
    objective, vector = Objective(cohort), cohort.theta.pack(cohort.theta.start)
    before = objective(vector)
    assert objective.cohort.subjects is cohort.subjects
    here = objective(vector, thorough=True)
    assert steps(objective.cohort.subjects) < steps(cohort.subjects)
    assert here.total == pytest.approx(before.total, abs=1e-3)
    assert objective(vector).total == before.total


def test_rows_at_other_instants_are_stepped_at_the_same_pace() -> None:
    model = toys.made(*SATURABLE)
    kernel, every = compile_model(model), timelines(model, LINES)
    cohort = Cohort(kernel, step_sizes_for(kernel, every["1"].delivered), every, Theta.of(model))
    instants = [np.array([subject.marks[0], subject.marks[-1] - 1000]) for subject in cohort.subjects]
    seen = cohort.seen_at(instants)
    assert [subject.pace for subject in seen.subjects] == [subject.pace for subject in cohort.subjects]
    assert steps(seen.subjects) < steps(cohort.subjects) + 10


def test_what_only_the_solver_follows_stays_as_it_is() -> None:
    model = toys.made(*SATURABLE)
    kernel, every = compile_model(model), timelines(model, LINES)
    cohort = Cohort(kernel, step_sizes_for(kernel, every["1"].delivered), every, Theta.of(model))
    elsewhere = replace(cohort.subjects[0], stretches=None)
    cohort.subjects = (elsewhere,)
    assert cohort._paced() == (elsewhere,)
