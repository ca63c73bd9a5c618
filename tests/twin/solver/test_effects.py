"""Effects through time: they add up, what is drawn is drawn once for all, and a checkpoint changes nothing after it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.twin import toys
from twin.arrays import Floats, storable
from twin.filter.belief import prior
from twin.randomness import generator
from twin.solver.effects import (
    Constant,
    alone,
    columns,
    drawn_occasion,
    drawn_step,
    effects_of,
    fixed,
    law,
    reaching,
)
from twin.timeline.segments import EVER, STILL, Layout, Segment, Segments

MODEL = toys.restless()  # eta of CL, V, Base, kill; kappa of CL; steps every 6 h
HOUR = 3_600_000
RECORD = Segments(start=HOUR, occasions=(20 * HOUR, 40 * HOUR), grid=6 * HOUR)
KEY = ("P-1",)
COUNT = 5


def eta(count: int = COUNT) -> Floats:
    return prior(MODEL, count, "P-1").eta


def reached(hours: float, layout: Layout = STILL, rows: Floats | None = None) -> tuple[Layout, Floats]:
    rows = eta() if rows is None else rows
    return reaching(MODEL, layout, rows, RECORD, round(hours * HOUR), KEY)


def at(layout: Layout, rows: Floats, hours: float) -> Floats:
    return effects_of(MODEL, layout, rows, KEY).at(RECORD, RECORD.at(round(hours * HOUR)))


def test_eta_kappa_and_increments_add_up() -> None:
    layout, rows = reached(25)
    assert layout == Layout(None, (EVER, 20 * HOUR), tuple(h * HOUR for h in (6, 12, 18, 24)))
    assert rows.shape == (COUNT, 4 + 2 * 1 + 4 * 4)
    part = columns(MODEL, layout)
    increments = [rows[:, part.increment(i)] for i in range(4)]
    expected = rows[:, :4] + increments[0] + increments[1] + increments[2]
    expected[:, :1] += rows[:, part.kappa(0)]
    np.testing.assert_allclose(at(layout, rows, 19.9), expected, rtol=1e-12)
    expected[:, :1] += rows[:, part.kappa(1)] - rows[:, part.kappa(0)]
    np.testing.assert_allclose(at(layout, rows, 20), expected, rtol=1e-12)
    lasting = effects_of(MODEL, layout, rows, KEY).lasting(RECORD, RECORD.at(20 * HOUR))
    np.testing.assert_allclose(lasting, rows[:, :4] + sum(increments[:3]), rtol=1e-12)


@given(st.lists(st.floats(1.1, 70), max_size=4).map(sorted), st.floats(1.1, 90))
def test_what_is_stored_and_what_is_drawn_when_needed_are_the_same(reach: list[float], look: float) -> None:
    layout, rows = STILL, eta()
    never_stored = at(layout, rows, look)
    for hours in reach:
        layout, rows = reached(hours, layout, rows)
    assert np.array_equal(at(layout, rows, look), never_stored)


@given(st.integers(2, 9), st.floats(0.5, 30), st.floats(0, 60))
def test_a_checkpoint_changes_nothing_that_comes_after_it(step: int, beyond: float, look: float) -> None:
    since = step * 6.0
    layout, rows = reached(since + beyond)
    states = np.arange(3.0 * COUNT).reshape(COUNT, 3)
    later, kept = fixed(MODEL, layout, rows, RECORD, round(since * HOUR), states)
    assert later.since == since * HOUR
    assert all(begin >= later.since for begin in (*later.occasions, *later.steps))
    # The sum is rounded once, to what is stored.
    np.testing.assert_allclose(at(later, kept, since + look), at(layout, rows, since + look), atol=1e-6)
    assert np.array_equal(kept[:, columns(MODEL, later).state], states)
    assert np.array_equal(storable(kept), kept)
    again, more = reached(since + beyond + 20, later, kept)
    whole, all_rows = reached(since + beyond + 20, layout, rows)
    np.testing.assert_allclose(at(again, more, since + look), at(whole, all_rows, since + look), atol=1e-6)


def test_a_second_checkpoint_rests_on_the_first() -> None:
    layout, rows = reached(50)
    whole = at(layout, rows, 45)
    for since in (12, 24, 42):
        layout, rows = fixed(MODEL, layout, rows, RECORD, since * HOUR, np.zeros((COUNT, 2)))
    assert layout == Layout(42 * HOUR, (), (42 * HOUR, 48 * HOUR), 40 * HOUR)
    np.testing.assert_allclose(at(layout, rows, 45), whole, atol=1e-6)


def test_states_that_overflowed_are_stored_as_numbers() -> None:
    layout, rows = reached(20)
    states = np.array([[np.nan, 1.0], [np.inf, 1.0], [-np.inf, 1.0], [1e200, 1.0], [2.0, 1.0]])
    later, kept = fixed(MODEL, layout, rows, RECORD, 12 * HOUR, states)
    stored = kept[:, columns(MODEL, later).state]
    assert np.isfinite(stored).all()
    assert stored[4].tolist() == [2.0, 1.0]


def test_chance_is_named_by_patient_and_begin() -> None:
    one = drawn_step(MODEL, KEY, 6 * HOUR, 50)
    assert np.array_equal(one, drawn_step(MODEL, KEY, 6 * HOUR, 50))
    for other in (drawn_step(MODEL, ("P-2",), 6 * HOUR, 50), drawn_step(MODEL, KEY, 12 * HOUR, 50)):
        assert not np.isin(one, other).any()
    many = drawn_step(MODEL, KEY, 6 * HOUR, 40_000)
    np.testing.assert_allclose(np.cov(many.T), 6 * 0.0005 * np.eye(4), atol=1e-4)
    assert drawn_occasion(MODEL, KEY, EVER, 40_000).std() == pytest.approx(np.sqrt(0.03), rel=0.02)


def test_a_forecast_is_wider_for_what_is_still_to_come() -> None:
    layout, rows = reached(25, rows=np.zeros((4000, 4)))
    now, later = at(layout, rows, 25), at(layout, rows, 60)
    gained = (later - now)[:, 1].var()
    assert gained == pytest.approx(0.0005 * 36, rel=0.1)


def test_the_law_is_the_prior_of_what_is_free() -> None:
    layout, rows = reached(25, rows=eta(30))
    prior_law = law(MODEL, layout)
    assert (prior_law.size, prior_law.core, len(prior_law.steps), prior_law.carried) == (22, 6, 4, False)
    covariance = np.zeros((22, 22))
    covariance[:4, :4] = MODEL.omega
    covariance[4:6, 4:6] = 0.03 * np.eye(2)
    covariance[6:, 6:] = 0.0005 * 6 * np.eye(16)
    np.testing.assert_allclose(prior_law.covariance, covariance, atol=1e-12)
    known = stats.multivariate_normal(np.zeros(22), covariance).logpdf(rows)
    np.testing.assert_allclose(prior_law.log_density(rows) + prior_law.constant, known, rtol=1e-9)
    later, kept = fixed(MODEL, layout, rows, RECORD, 12 * HOUR, np.ones((30, 3)))
    free = law(MODEL, later)
    assert (free.size, free.core, free.carried) == (1 + 3 * 4, 1, True)
    np.testing.assert_allclose(free.sd, [np.sqrt(0.03), *[np.sqrt(0.003)] * 12])
    assert free.log_density(kept).shape == (30,)


def test_a_model_that_never_changes_has_constant_effects() -> None:
    rows = generator("rows").standard_normal((4, 2))
    found = effects_of(toys.bolus(), STILL, rows, KEY)
    assert isinstance(found, Constant)
    assert found.at(RECORD, Segment(EVER, EVER)) is rows
    assert law(toys.bolus()).log_density(np.zeros((1, 2))) == pytest.approx([0.0])


def test_alone_what_rows_do_not_hold_is_as_it_is_on_average() -> None:
    layout = Layout(None, (EVER, 20 * HOUR))
    rows = np.arange(12.0).reshape(2, 6)
    found = alone(MODEL, layout, rows)
    np.testing.assert_array_equal(found.at(RECORD, RECORD.at(30 * HOUR))[0], [0.0 + 5.0, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(found.at(RECORD, RECORD.at(2 * HOUR))[0], [0.0 + 4.0, 1.0, 2.0, 3.0])
