"""Steady state is what many intervals lead to, a reset begins anew: for every particle, with late doses and tails."""

from __future__ import annotations

import math
import random
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.equations import reference, timeline_of
from tests.twin.kernel import test_delayed_input as test_late
from tests.twin.kernel.test_kernel import assert_close, patients, solved
from twin.clock import HOUR_MS
from twin.events import BadEvent, DoseGiven, DrugLevel, Quantity, StateReset, from_millis
from twin.kernel.kernel import Kernel, compile_model
from twin.model.spec import Model
from twin.patient.twin import PatientTwin
from twin.record.admission import admit
from twin.solver.settling import settles
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.delivery import Delivered, Recorded, Steady, with_rates
from twin.timeline.planned_future import extended
from twin.timeline.timeline import Timeline

H = HOUR_MS
T = 1000 * H
DISPOSITION = {"CL": "5 L/h 0.09", "V": "20 L 0.04", "Q": "3 L/h", "V2": "40 L", "ka": "0.8 1/h 0.2"}


def saturable() -> Model:
    """Saturable elimination, cells that the drug kills, an effect that lags behind, and areas that only gather."""
    return toys.made(
        {"VMAX": "14 mg/h 0.04", "KM": "1.5 mg/L", "V": "20 L 0.04", "k": "0.1 1/h", "kill": "0.02 L/(mg.h) 0.1",
         "Base": "3 10*9/L", "ka": "0.8 1/h"},
        {"D": "mg: input(toxin, oral) - ka*D",
         "A": "mg: input(toxin) + ka*D - VMAX*A/V/(KM + A/V)",
         "Cells": "10*9/L: Base -> Cells*(k*(1 - Cells/Base) - kill*A/V)",
         "Slow": "10*9/L: Base -> k/5*(Cells - Slow)",
         "AUC": "mg.h/L: A/V"},
        {"level": "mg/L: A/V", "cells": "10*9/L: Cells", "slow": "10*9/L: Slow", "auc": "mg.h/L: AUC"},
        extra="[numerics]\nfirst_step = 0.02\ngrowth = 0.15\nlargest_step = 0.5\n",
    )  # fmt: skip


def two_compartments() -> Model:
    return toys.made(
        DISPOSITION,
        {"D": "mg: input(toxin, oral) - ka*D", "A": "mg: input(toxin) + ka*D - (CL + Q)/V*A + Q/V2*P",
         "P": "mg: Q/V*A - Q/V2*P", "AUC": "mg.h/L: A/V"},
        {"level": "mg/L: A/V", "auc": "mg.h/L: AUC"},
    )  # fmt: skip


KERNELS = {
    "two compartments": compile_model(two_compartments()),
    "saturable": compile_model(saturable()),
    "late": compile_model(test_late.linear()),
    "late into saturable": compile_model(test_late.stepped()),
    "transit": compile_model(test_late.transit()),
}


def told(steady: list[Steady], **others: list[Recorded]) -> Delivered:
    """Steady doses as the record has them."""
    recorded = [dose.recorded(dose.millis) for dose in steady if dose.span]
    impulses = [(dose.millis, dose.amount, dose.route) for dose in steady if not dose.span]
    return with_rates(Delivered(impulses=impulses, recorded=[*recorded, *others.get("recorded", [])], steady=steady))


def lived(steady: list[Steady], times: int) -> Delivered:
    """The same with all doses before them written out."""
    every = [dose._replace(millis=dose.millis - k * dose.every) for dose in steady for k in range(times + 1)]
    given = told(sorted(every))
    return Delivered(given.rate, given.impulses, given.rate_by_route, recorded=given.recorded)


REGIMENS = {
    "by mouth": [Steady(T, 12 * H, 0, 60.0, "oral")],
    "infusion": [Steady(T, 24 * H, 3 * H, 120.0, "iv")],
    "longer than its interval": [Steady(T, 8 * H, 20 * H, 40.0, "iv")],
    "two at once": [Steady(T, 24 * H, 0, 50.0, "oral"), Steady(T, 12 * H, 2 * H, 30.0, "iv")],
}


@pytest.mark.parametrize("regimen", list(REGIMENS))
@pytest.mark.parametrize("name", list(KERNELS))
def test_steady_state_is_what_many_intervals_lead_to(name: str, regimen: str) -> None:
    kernel, steady = KERNELS[name], REGIMENS[regimen]
    eta = patients(kernel, drawn=3)
    marks = T + np.array([0, 1, H, 5 * H, 11 * H, 30 * H, 50 * H], dtype=np.int64)
    found = solved(kernel, timeline_of(kernel, {"toxin": told(steady)}, T), eta, marks)
    times = 1600 * H // max(dose.every for dose in steady)
    start = T - times * max(dose.every for dose in steady) - 24 * H
    before = {"toxin": lived(steady, times)}
    expected = solved(kernel, timeline_of(kernel, before, start), eta, marks)
    for i, output in enumerate(kernel.outputs):
        if output == "auc":
            expected[:, :, i] -= expected[:, :1, i]  # The area begins anew.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


def test_the_steady_state_of_a_bolus_has_its_closed_form() -> None:
    kernel = compile_model(toys.bolus())
    timeline = timeline_of(kernel, {"toxin": told([Steady(T, 8 * H, 0, 50.0, "iv")])}, T)
    eta = np.array([[0.0, 0.0], [0.3, -0.2]])
    found = solved(kernel, timeline, eta, np.array([T, T + 1, T + 4 * H], dtype=np.int64))[:, :, 0]
    k, volume = 0.25 * np.exp(eta[:, 0] - eta[:, 1]), 20 * np.exp(eta[:, 1])
    trough = 50 / volume * np.exp(-8 * k) / (1 - np.exp(-8 * k))
    np.testing.assert_allclose(found[:, 0], trough, rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], trough + 50 / volume, rtol=1e-6)
    np.testing.assert_allclose(found[:, 2], (trough + 50 / volume) * np.exp(-4 * k), rtol=1e-12)


def test_steady_state_agrees_with_lsoda() -> None:
    kernel, dose = KERNELS["saturable"], REGIMENS["by mouth"]
    marks = T + np.array([0, 3 * H, 9 * H], dtype=np.int64)
    eta = patients(kernel, drawn=1)[:2]
    found = solved(kernel, timeline_of(kernel, {"toxin": told(dose)}, T), eta, marks)
    start = T - 40 * 12 * H
    expected = [reference(kernel, timeline_of(kernel, {"toxin": lived(dose, 40)}, start), row, marks) for row in eta]
    assert_close(found[:, :, :2], np.array(expected)[:, :, :2])


def between(kernel: Kernel) -> Timeline:
    """A dose before, one in steady state while that still runs, and a reset while another runs."""
    early = [Recorded(T - 30 * H, T + 10 * H, 5.0, "iv"), Recorded(T + 40 * H, T + 60 * H, 5.0, "iv")]
    given = {"toxin": told([Steady(T, 12 * H, 0, 60.0, "oral")], recorded=early)}
    return timeline_of(kernel, given, T - 30 * H, resets=[T + 50 * H])


@pytest.mark.parametrize("name", list(KERNELS))
def test_a_steady_dose_and_a_reset_end_what_was_before(name: str) -> None:
    kernel = KERNELS[name]
    eta = patients(kernel, drawn=2)
    marks = T + np.array([-20, 0, 5, 45, 50, 55, 80], dtype=np.int64) * H
    found = solved(kernel, between(kernel), eta, marks)
    alone = timeline_of(kernel, {"toxin": told([Steady(T, 12 * H, 0, 60.0, "oral")])}, T)
    np.testing.assert_allclose(found[:, 1:3], solved(kernel, alone, eta, marks[1:3]), rtol=1e-9)
    fresh = solved(kernel, timeline_of(kernel, {}, T + 50 * H), eta, marks[5:])
    np.testing.assert_allclose(found[:, 5:], fresh, rtol=1e-9)
    # What happens at an instant is not yet seen at it.
    assert (found[:, 4, 0] > found[:, 5, 0]).all()


@pytest.mark.parametrize("name", ["saturable", "late"])
@settings(max_examples=8, deadline=None)
@given(stops=st.lists(st.integers(1 - 30, 99), min_size=1, max_size=4, unique=True))
def test_solving_piece_by_piece_is_solving_in_one_go_to_the_last_bit(name: str, stops: list[int]) -> None:
    kernel = KERNELS[name]
    timeline, end = between(kernel), T + 100 * H
    solver = Solver(kernel, patients(kernel, drawn=3), step_sizes_for(kernel), shared=False)
    at = T + np.array(sorted({*stops, 0, 50}), dtype=np.int64) * H
    whole, _ = solver.advance(solver.initial(timeline), timeline, end, stops=at)
    cloud = solver.initial(timeline)
    for stop in [*at.tolist(), end]:
        cloud, _ = solver.advance(cloud, timeline, stop, stops=at)
    assert np.array_equal(cloud.z, whole.z)
    assert np.array_equal(cloud.y, whole.y)


def test_a_particle_settles_the_same_alone_and_in_company() -> None:
    kernel = KERNELS["saturable"]
    timeline, eta = between(kernel), patients(kernel, drawn=20)
    marks = np.array([T + H], dtype=np.int64)
    together = solved(kernel, timeline, eta, marks)
    for n in (0, 5, 21):
        assert np.array_equal(solved(kernel, timeline, eta[n : n + 1], marks)[0], together[n])


def test_what_never_settles_is_impossible() -> None:
    kernel = compile_model(
        toys.made({"VMAX": "3 mg/h 0.2", "KM": "1 mg/L", "V": "20 L"},
                  {"A": "mg: input(toxin) - VMAX*A/V/(KM + A/V)"}, {"level": "mg/L: A/V"})
    )  # fmt: skip
    timeline = timeline_of(kernel, {"toxin": told([Steady(T, 12 * H, 0, 48.0, "iv")])}, T)
    marks = np.array([T, T + H], dtype=np.int64)
    found = solved(kernel, timeline, np.array([[0.0], [math.log(3)]]), marks)
    assert np.isnan(found[0]).all()  # 4 mg/h enter, 3 mg/h can leave.
    assert np.isfinite(found[1]).all()
    keeping = compile_model(
        toys.made({"V": "20 L 0.1", "k": "1 1/h", "j": "0.05 1/h"},
                       {"A": "mg: input(toxin)", "B": "mg: k*A - j*B"}, {"level": "mg/L: B/V"})
    )  # fmt: skip
    kept = timeline_of(keeping, {"toxin": told([Steady(T, 12 * H, 0, 48.0, "iv")])}, T)
    assert np.isnan(solved(keeping, kept, np.zeros((1, 1)), marks)).all()


def test_what_is_planned_after_a_steady_dose_follows_it() -> None:
    kernel = KERNELS["late"]
    timeline = between(kernel)
    ahead, _ = extended(timeline, kernel, T + 60 * H, {})
    marks = np.array([T + 70 * H], dtype=np.int64)
    eta = patients(kernel, drawn=1)
    assert np.array_equal(solved(kernel, ahead, eta, marks), solved(kernel, timeline, eta, marks))


def given_every(hours: float, unit: str = "h", drug: str = "toxin", amount: float = 48.0) -> DoseGiven:
    every = Quantity(value=hours, unit=unit)
    size = Quantity(value=amount, unit="mg")
    return DoseGiven(
        event_id="s1", patient_id="P-1", time=from_millis(10**12), source="test", drug=drug, route="iv", amount=size,
        steady_every=every,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("event", "reason", "problem"),
    [
        (given_every(-12.0), "negative_amount", "field 'steady_every': -12.0 h must be above 0"),
        (given_every(12.0, "mg"), "unknown_unit", "field 'steady_every'"),
        (given_every(1e5), "out_of_range", "field 'steady_every': 100000 h is outside 0.1 to 1440 h"),
        (given_every(2.0), "no_steady_state", "48 mg every 2 h never come to a steady state in the typical patient"),
    ],
)
def test_an_interval_that_cannot_be_is_refused(event: DoseGiven, reason: str, problem: str) -> None:
    with pytest.raises(BadEvent) as caught:
        admit(event, KERNELS["saturable"].model, settles)
    assert caught.value.reason == reason
    assert problem in str(caught.value)


@settings(max_examples=6, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_steady_dose_and_a_reset_may_arrive_in_any_order(shuffler: random.Random) -> None:
    def at(hours: float) -> datetime:
        return from_millis(10**12 + round(hours * H))

    def level(hours: float, value: float) -> DrugLevel:
        amount = Quantity(value=value, unit="mg/L")
        return DrugLevel(
            event_id=f"l{hours}", patient_id="P-1", time=at(hours), source="test", analyte="toxin_plasma", value=amount
        )

    first = given_every(12.0).model_copy(update={"time": at(2)})
    later = DoseGiven(
        event_id="d2", patient_id="P-1", time=at(30), source="test", drug="toxin", route="iv", amount=first.amount
    )
    reset = StateReset(event_id="r1", patient_id="P-1", time=at(29), source="test")
    events = [level(1, 0.1), first, level(6, 1.7), level(20, 0.2), reset, later, level(33, 1.2)]
    model = toys.bolus()

    def told(order: list[DoseGiven | DrugLevel | StateReset]) -> PatientTwin:
        twin = PatientTwin("P-1", model, particles=64)
        for event in order:
            assert not twin.observe([event]).rejected
        return twin

    one, other = told(events), told(shuffler.sample(events, len(events)))
    assert np.array_equal(one.belief.eta, other.belief.eta)
    assert np.array_equal(one.belief.log_weight, other.belief.log_weight)
    assert one.belief.log_evidence == PatientTwin.from_row(one.row(), model).belief.log_evidence
