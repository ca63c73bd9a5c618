"""Columns of unknowns, and what each does to placed parameters."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.subjects import WITHOUT, Held

SHAPE = 0.4

ETA, FIRST, SECOND, WIDENING, SHIFTS = 0, 2, 3, 4, 5
"""Columns: eta of k and V, kappa of V by occasion, what widens the prior of k, and shifts of k, B and k's shape."""


@functools.cache
def cohort() -> Cohort:
    """k with Box-Cox effects that a weight widens, V that differs by occasion, B in which nobody differs."""
    widens = f'missing = {{ widens = {{ k = 0.25 }}, source = "made up" }}\n{toys.SOURCE}\n'
    made = toys.made(
        {"k": "0.3 1/h 0.09 | k*(WT/70)", "V": "12 L 0.04", "B": "1 mg/L"},
        {"A": "mg: input(toxin) - k*A"},
        {"plasma": "mg/L: B + A/V"},
        extra=f'[covariates.WT]\nunit = "kg"\nreference = 70\n{widens}'
        f'[covariates.OCC]\nunit = "1"\nreference = 0\n{toys.SOURCE}\n',
    )
    text = made.text.replace("iiv = 0.09", f'iiv = 0.09\ndistribution = "box-cox"\nshape = {SHAPE}')
    text = text.replace("iiv = 0.04\n", "iiv = 0.04\niov = 0.02\n") + f'[occasions]\ncovariate = "OCC"\n{toys.SOURCE}\n'
    lines = ["ID,TIME,EVID,AMT,DV,WT,OCC", "1,0,1,10,.,70,0", "1,1,0,.,1,70,0", "1,9,0,.,1,70,1"]
    lines += ["2,0,1,10,.,.,0", "2,1,0,.,1,.,0"]
    return cohort_of(parse_model(text, "made.toml"), lines)


def test_who_has_fewer_occasions_has_the_same_columns() -> None:
    columns = cohort().columns
    assert (len(columns.parts["iov"]), columns.effects, columns.size) == (2, SHIFTS, SHIFTS + 3)
    assert [len(subject.occasions) for subject in cohort().subjects] == [2, 1]


@given(
    st.lists(st.floats(-1.0, 1.0), min_size=8, max_size=8), st.sampled_from([WITHOUT, 0, 1]), st.sampled_from([0, 1])
)
def test_effects_are_placed_as_the_formula_says(row: list[float], occasion: int, who: int) -> None:
    columns, subject = cohort().columns, cohort().subjects[who]
    place = cohort().theta.start.place
    k, v, b, shape = place.tolist()
    wider = row[WIDENING] if who == 1 else 0.0
    kappa = 0.0 if occasion == WITHOUT else row[FIRST + occasion]
    power = shape + row[SHIFTS + 2]
    expected = [k + np.expm1(power * (row[0] + wider)) / power + row[SHIFTS], v + row[1] + kappa, b + row[SHIFTS + 1]]
    np.testing.assert_allclose(columns.phi(np.array([row]), place, Held(occasion), subject)[0], expected, rtol=1e-12)


def test_typical_values_move_parameters_as_their_directions_do() -> None:
    columns, theta = cohort().columns, cohort().theta
    vector, z = theta.pack(theta.start), np.full((1, columns.size), 0.2)
    for name, element, direction in zip(theta.names, theta.elements, columns.directions, strict=True):
        if element.kind != "place":
            assert not direction.any(), name
            continue
        there = theta.unpack(vector + 1e-3 * np.array([one == name for one in theta.names])).place
        by_place = columns.phi(z, there, Held(1))
        np.testing.assert_allclose(columns.phi(z + 1e-3 * direction, theta.start.place, Held(1)), by_place, rtol=1e-12)


def test_what_is_said_of_parameters_is_said_of_columns() -> None:
    of_columns = cohort().columns.by_column(np.array([1.0, 2.0, 3.0, 4.0]))
    assert of_columns.tolist() == pytest.approx([1.0, 2.0, 2.0, 2.0, 1.0, 1.0, 3.0, 4.0])
