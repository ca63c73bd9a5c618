"""Doses that enter later than they are given: against LSODA with each patient's own instants, and against paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma

from tests.twin import toys
from tests.twin.equations import reference, timeline_of
from tests.twin.kernel.test_kernel import assert_close, patients, solved
from twin.clock import HOUR_MS
from twin.kernel.kernel import Kernel, compile_model
from twin.model.spec import Model
from twin.record.orders import PlanStep
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.delivery import Delivered, Recorded, with_rates
from twin.timeline.planned_future import extended
from twin.timeline.timeline import Timeline

H = HOUR_MS
PACE = "[numerics]\nfirst_step = 0.005\ngrowth = 0.15\nlargest_step = 0.5\n"
PARAMETERS = {
    "CL": "5 L/h 0.09 | CL*(WT/70)", "V": "20 L 0.04", "ka": "0.8 1/h 0.2", "lag": "0.7 h 0.5", "line": "0.2 h",
    "over": "2.3 h 0.3 | over*(WT/70)", "share": "0.6 1", "k": "0.1 1/h", "Base": "3 10*9/L",
}  # fmt: skip
WEIGHT = f"[covariates.WT]\nunit = 'kg'\nreference = 70\n{toys.SOURCE}\n"


def linear() -> Model:
    """Two parallel absorptions of one dose, evenly and at once, and a line that the infusion has to run through."""
    return toys.made(
        PARAMETERS,
        {"D": "mg: share*input(toxin, oral, lag=lag) - ka*D",
         "A": "mg: (1 - share)*input(toxin, oral, lag=2*lag, duration=over) + input(toxin, iv, lag=line)"
              " + ka*D - CL/V*A"},
        {"level": "mg/L: A/V"},
        extra=WEIGHT,
    )  # fmt: skip


def stepped() -> Model:
    """The same into saturable elimination, with cells that the drug kills."""
    return toys.made(
        PARAMETERS | {"VMAX": "12 mg/h 0.04", "KM": "1.5 mg/L", "kill": "0.02 L/(mg.h)"},
        {"D": "mg: share*input(toxin, oral, lag=lag) - ka*D",
         "A": "mg: (1 - share)*input(toxin, oral, lag=2*lag, duration=over) + input(toxin, iv, lag=line)"
              " + ka*D - VMAX*A/V/(KM + A/V)",
         "Cells": "10*9/L: Base -> Cells*(k*(1 - Cells/Base) - kill*A/V)"},
        {"level": "mg/L: A/V", "cells": "10*9/L: Cells"},
        extra=WEIGHT + PACE,
    )  # fmt: skip


def transit() -> Model:
    """A mixed absorption: some through transit steps, some straight; and a vein."""
    return toys.made(
        PARAMETERS | {"steps": "3.7 1 0.1", "mtt": "1.9 h 0.2"},
        {"D": "mg: share*transit(toxin, oral, n=steps, mtt=mtt, lag=lag) - ka*D",
         "A": "mg: (1 - share)*transit(toxin, oral, n=0*steps, mtt=mtt) + input(toxin) + ka*D - CL/V*A"},
        {"level": "mg/L: A/V"},
        extra=WEIGHT + PACE.replace("0.5", "0.25"),
    )  # fmt: skip


MODELS = {"linear": compile_model(linear()), "stepped": compile_model(stepped()), "transit": compile_model(transit())}
GIVEN = with_rates(
    Delivered(
        impulses=[(0, 100.0, "oral"), (6 * H + 777, 60.0, "oral"), (7 * H, 80.0, "oral"), (30 * H, 50.0, "oral")],
        recorded=[Recorded(9 * H, 10 * H + 30_000, 40.0, "iv")],
        pumped=[(20 * H, 10.0), (21 * H, 25.0), (22 * H, 0.0)],
    )
)
WEIGHTS = [(6 * H + 1_800_000, [85.0]), (25 * H, [64.0])]


def course(kernel: Kernel) -> Timeline:
    return timeline_of(kernel, {"toxin": GIVEN}, covariates=WEIGHTS)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.slow
def test_late_doses_follow_the_equations_of_each_patient(name: str) -> None:
    kernel = MODELS[name]
    timeline = course(kernel)
    eta = patients(kernel, drawn=1)[:3]
    marks = np.arange(H // 3, 45 * H, 4 * H + 20_000, dtype=np.int64)
    expected = np.array([reference(kernel, timeline, row, marks) for row in eta])
    assert_close(solved(kernel, timeline, eta, marks), expected)


def test_a_lagged_dose_by_vein_has_its_closed_form() -> None:
    kernel = compile_model(
        toys.made({"CL": "5 L/h 0.1", "V": "20 L", "lag": "1.25 h 0.3"},
                  {"A": "mg: input(toxin, lag=lag) - CL/V*A"}, {"level": "mg/L: A/V"})
    )  # fmt: skip
    timeline = timeline_of(kernel, {"toxin": Delivered(impulses=[(0, 100.0, "iv")])})
    eta = np.array([[0.0, 0.0], [0.3, -0.4], [-0.2, 0.5]])
    marks = np.array([H, 2 * H, 10 * H], dtype=np.int64)
    found = solved(kernel, timeline, eta, marks)[:, :, 0]
    hours = marks / H - 1.25 * np.exp(eta[:, 1, None])
    expected = np.where(hours > 0, 5.0 * np.exp(-0.25 * np.exp(eta[:, 0, None]) * hours), 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_what_came_through_transit_steps_is_an_incomplete_gamma_function() -> None:
    kernel = compile_model(
        toys.made({"n": "2.4 1 0.1", "mtt": "3 h 0.1"}, {"A": "mg: transit(toxin, n=n, mtt=mtt)"},
                  {"gone": "mg: A"}, extra=PACE)
    )  # fmt: skip
    timeline = timeline_of(kernel, {"toxin": Delivered(impulses=[(0, 70.0, "oral"), (4 * H, 30.0, "oral")])})
    eta = np.array([[0.0, 0.0], [0.4, -0.3]])
    marks = np.arange(1, 30, 2, dtype=np.int64) * H
    found = solved(kernel, timeline, eta, marks)[:, :, 0]
    for row, (n, mtt) in zip(found, np.array([2.4, 3.0]) * np.exp(eta), strict=True):
        law = gamma(n + 1, scale=mtt / (n + 1))
        expected = 70 * law.cdf(marks / H) + 30 * law.cdf(marks / H - 4)
        np.testing.assert_allclose(row, expected, rtol=1e-6)


instants = st.integers(0, 40 * H)


@pytest.mark.parametrize("name", list(MODELS))
@settings(max_examples=12, deadline=None)
@given(stops=st.lists(st.integers(1, 48 * H - 1), min_size=1, max_size=5, unique=True))
def test_solving_piece_by_piece_is_solving_in_one_go_to_the_last_bit(name: str, stops: list[int]) -> None:
    kernel = MODELS[name]
    timeline = course(kernel)
    solver = Solver(kernel, patients(kernel, drawn=33), step_sizes_for(kernel), shared=False)
    at = np.array(sorted(stops), dtype=np.int64)
    whole, _ = solver.advance(solver.initial(timeline), timeline, 48 * H, stops=at)
    cloud = solver.initial(timeline)
    for stop in [*sorted(stops), 48 * H]:
        cloud, _ = solver.advance(cloud, timeline, stop, stops=at)
    assert np.array_equal(cloud.z, whole.z)
    assert np.array_equal(cloud.y, whole.y)


@pytest.mark.parametrize("name", list(MODELS))
def test_a_particle_is_the_same_alone_and_in_company(name: str) -> None:
    kernel = MODELS[name]
    timeline, eta = course(kernel), patients(kernel, drawn=40)
    marks = np.array([5 * H, 23 * H, 44 * H], dtype=np.int64)
    together = solved(kernel, timeline, eta, marks)
    for n in (0, 7, 33, 41):
        assert np.array_equal(solved(kernel, timeline, eta[n : n + 1], marks)[0], together[n])


def test_many_doses_are_laid_out_for_some_particles_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, eta = MODELS["stepped"], patients(MODELS["stepped"], drawn=70)
    marks = np.array([5 * H, 44 * H], dtype=np.int64)
    together = solved(kernel, course(kernel), eta, marks)
    monkeypatch.setattr("twin.solver.solver.OWN_EDGES", 1)
    assert np.array_equal(solved(kernel, course(kernel), eta, marks), together)


@given(st.lists(st.tuples(instants, st.floats(1, 100)), max_size=6), st.floats(0, 30))
@settings(max_examples=25, deadline=None)
def test_every_dose_enters_whole(doses: list[tuple[int, float]], over: float) -> None:
    kernel = KEEPING
    timeline = timeline_of(kernel, {"toxin": Delivered(impulses=[(m, a, "oral") for m, a in sorted(doses)])})
    eta = np.array([[math.log(over / 3 + 1e-9), 0.2], [0.0, -0.3]])
    marks = np.array([90 * 24 * H], dtype=np.int64)
    total = sum(amount for _, amount in doses)
    np.testing.assert_allclose(solved(kernel, timeline, eta, marks)[:, 0, 0], total, rtol=1e-9)


KEEPING = compile_model(
    toys.made({"over": "3 h 0.1", "lag": "1 h 0.1"}, {"A": "mg: input(toxin, lag=lag, duration=over)"},
              {"gone": "mg: A"})
)  # fmt: skip


@pytest.mark.parametrize("bad", [-0.5, math.nan, math.inf, 5000.0])
def test_a_dose_that_would_enter_before_it_is_given_is_impossible(bad: float) -> None:
    kernel = compile_model(
        toys.made({"CL": "5 L/h", "V": "20 L", "lag": "1 h", "off": "1 h 0.1"},
                  {"A": "mg: input(toxin, lag=lag - log(off/lag)*lag) - CL/V*A"}, {"level": "mg/L: A/V"})
    )  # fmt: skip
    timeline = timeline_of(kernel, {"toxin": Delivered(impulses=[(0, 100.0, "iv")])})
    marks = np.array([4 * H], dtype=np.int64)
    found = solved(kernel, timeline, np.array([[0.0], [1.0 - bad]]), marks)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_what_a_dose_claims_by_its_route_is_left_out_of_the_rest() -> None:
    kernel = MODELS["transit"]
    assert [kernel.inputs[j].split("(")[0] for j in kernel.late] == ["transit", "transit"]
    timeline = course(kernel)
    assert set(timeline.late.column.tolist()) == {0, 1}
    assert (timeline.kick_column == kernel.inputs.index("input(toxin)")).sum() == 0
    assert timeline.rates[:, kernel.inputs.index("input(toxin)")].max() == 40.0


def test_what_is_planned_will_enter_late_too() -> None:
    kernel = MODELS["linear"]
    timeline = course(kernel)
    plan = (PlanStep(31 * H, 31 * H, 70.0, "oral"), PlanStep(40 * H, 41 * H, 20.0, "iv"))
    ahead, end = extended(timeline, kernel, 30 * H, {"toxin": plan})
    assert end is None
    expected = Delivered([], [*GIVEN.impulses, (31 * H, 70.0, "oral")], {}, [], GIVEN.pumped, list(GIVEN.recorded))
    expected.recorded.append(Recorded(40 * H, 41 * H, 20.0, "iv"))
    told = timeline_of(kernel, {"toxin": with_rates(expected)}, covariates=WEIGHTS)
    eta, marks = patients(kernel, drawn=1), np.array([33 * H, 45 * H], dtype=np.int64)
    assert np.array_equal(solved(kernel, ahead, eta, marks), solved(kernel, told, eta, marks))


def test_a_lagged_pulse_is_one_whatever_was_given_and_comes_when_it_is_due() -> None:
    model = toys.made(
        {"CL": "5 L/h 0.09", "lag": "0.7 h 0.5"},
        {"Doses": "1: pulse(toxin)", "Old": "1: pulse(toxin, lag=lag)"},
        {"doses": "1: Doses", "old": "1: Old"},
    )
    kernel = compile_model(model)
    given = Delivered(impulses=[(0, 80.0, "oral"), (10 * H, 3.0, "iv")], pulses=[0, 10 * H])
    timeline = timeline_of(kernel, {"toxin": given})
    eta = patients(kernel, drawn=4)
    marks = np.array([1, 11 * H // 10, 3 * H, 10 * H + 1, 11 * H, 30 * H], dtype=np.int64)
    found = solved(kernel, timeline, eta, marks)
    lag = 0.7 * np.exp(eta[:, [1]]) * H
    np.testing.assert_array_equal(found[:, :, 0], np.broadcast_to([1, 1, 1, 2, 2, 2], found.shape[:2]))
    expected = (marks > lag).astype(float) + (marks - 10 * H > lag)
    np.testing.assert_allclose(found[:, :, 1], expected, atol=1e-12)
