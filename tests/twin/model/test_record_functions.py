"""Functions of the record: what a formula may ask about what was given and measured, and when it changes."""

from __future__ import annotations

import random
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.equations import infusion, reference, timeline_of
from tests.twin.kernel.test_kernel import assert_close, patients, solved
from twin.clock import DAY_MS, HOUR_MS
from twin.events import DoseGiven, Enrolment, InputEvent, LabResult, Quantity, encode, from_millis
from twin.kernel.kernel import Kernel, compile_model
from twin.model.record_functions import record_columns, varies
from twin.model.spec import Model, ModelError
from twin.patient.twin import PatientTwin
from twin.record.history import History
from twin.solver.linear_system import individual_parameters
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.timeline.delivery import Delivered, Recorded, Steady, with_rates
from twin.timeline.difference import first_difference
from twin.timeline.record_columns import with_record
from twin.timeline.timeline import build

NONE = np.array([np.iinfo(np.int64).min], dtype=np.int64)
START = 20_000 * DAY_MS + 7 * HOUR_MS


def every_function() -> Model:
    """Clearance that tires with doses and turns with the clock, absorption that the size of the dose saturates."""
    return toys.made(
        {"CL": "5 L/h 0.09 | CL*(1 + 0.1*count(toxin))*where(after(toxin, 7.5) > 0, 0.8, 1)", "V": "20 L 0.04",
         "ka": "0.8 1/h | ka/(1 + dose(toxin)/200)",
         "tire": "0.01 1/h", "fast": "0.05 1/h", "Base": "3 10*9/L 0.04"},
        {"D": "mg: exp(-tire*span(toxin))*input(toxin, oral) - ka*D",
         "A": "mg: input(toxin, iv) + ka*D - CL/V*A*(1 + 0.3*sin(2*3.141592653589793*(clock - 8)/24))",
         "E": "10*9/L: Base -> fast*Base*exp(-tire*since(toxin)) - fast*E*(1 + tanh(tad(toxin)/10))"
              " - 0.01*E*daily(toxin)/100 + 0.001*Base*cos(t/5)"},
        {"level": "mg/L: A/V", "cells": "10*9/L: E + 0.01*abs(previous(cells, 3) - 2)"},
        extra="[numerics]\nfirst_step = 0.02\ngrowth = 0.1\nlargest_step = 0.2",
    )  # fmt: skip


def weighed() -> Model:
    """Doses of which less is available the larger they are, the later and the more of them; one depot is late."""
    return toys.made(
        {"CL": "5 L/h 0.09", "V": "20 L 0.04", "ka": "0.8 1/h 0.2", "F": "0.7 1 0.1 | F*half/(half + dose(toxin))",
         "tire": "0.01 1/h", "half": "300 mg", "late": "1.5 h 0.04", "least": "0.8 1"},
        {"D": "mg: rF*0.4*input(toxin, oral) - ka*D",
         "S": "mg: rF*0.6*input(toxin, oral, lag=late) - ka/3*S",
         "A": "mg: where(count(toxin) > 2, least, 1)*input(toxin, iv) + ka*D + ka/3*S - CL/V*A"},
        {"level": "mg/L: A/V"},
        extra='[derived.tired]\nunit = "1"\nexpression = "exp(-tire*span(toxin))"\n'
              '[derived.rF]\nunit = "1"\nexpression = "F/(2 - tired)"\n',
    )  # fmt: skip


KERNEL = compile_model(every_function())
WEIGHED = compile_model(weighed())


def course() -> dict[str, Delivered]:
    doses = [(START + 5 * HOUR_MS, 100.0, "oral"), (START + 17 * HOUR_MS, 150.0, "oral")]
    pumped = [(START + 30 * HOUR_MS, 25.0), (START + 34 * HOUR_MS, 0.0)]
    recorded = [Recorded(START + 50 * HOUR_MS, START + 51 * HOUR_MS, 80.0, "iv")]
    given = Delivered(impulses=doses, pulses=[m for m, _, _ in doses], pumped=pumped, recorded=recorded)
    return {"toxin": with_rates(given)}


def test_calls_become_columns_beside_the_covariates() -> None:
    assert set(record_columns(KERNEL.model)) == {
        "clock", "since(toxin)", "tad(toxin)", "dose(toxin)", "daily(toxin)", "count(toxin)", "previous(cells, 3)",
        "after(toxin, 7.5)", "span(toxin)",
    }  # fmt: skip
    assert KERNEL.covariates == KERNEL.record
    shaping = {name for name, read in zip(KERNEL.covariates, KERNEL.shaping, strict=True) if read}
    assert shaping == {"count(toxin)", "dose(toxin)", "after(toxin, 7.5)"}
    # What a dose is multiplied by when it is given is no part of the equations.
    unread = {name for name, read in zip(KERNEL.covariates, KERNEL.heeded, strict=True) if not read}
    assert unread == {"span(toxin)"}
    assert [name for name in KERNEL.record if varies(name)] == [
        n for n in KERNEL.record if n[:3] in ("clo", "sin", "tad")
    ]


def test_every_column_changes_when_what_it_tells_of_happens() -> None:
    h = HOUR_MS
    columns = KERNEL.record
    measured = [(START, 1, 5.0), (START + 20 * h, 1, 2.0), (START + 21 * h, 0, 9.0)]
    epoch, rows = with_record(columns, KERNEL.outputs, h, START, course(), measured, NONE, np.zeros((1, 0)))

    def at(column: str, hours: float) -> float:
        row = np.searchsorted(epoch, START + round(hours * h), side="right") - 1
        return float(rows[row, columns.index(column)])

    assert at("clock", 60) == 7.0
    assert [at("since(toxin)", x) for x in (0, 5, 60)] == [np.inf, 5.0, 5.0]
    assert [at("tad(toxin)", x) for x in (0, 5, 16.9, 17, 30, 50)] == [np.inf, 5.0, 5.0, 17.0, 30.0, 50.0]
    assert [at("count(toxin)", x) for x in (0, 5, 17, 30, 50)] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert [at("after(toxin, 7.5)", x) for x in (0, 5, 12.4, 12.5, 60)] == [0.0, 0.0, 0.0, 1.0, 1.0]
    assert [at("span(toxin)", x) for x in (0, 5, 16.9, 17, 30, 50)] == [0.0, 0.0, 0.0, 12.0, 25.0, 45.0]
    # What a pump delivers is known once it stops; what is recorded, at once.
    assert [at("dose(toxin)", x) for x in (0, 5, 17, 33.9, 34, 50)] == [0.0, 100.0, 150.0, 150.0, 100.0, 80.0]
    assert [at("daily(toxin)", x) for x in (0, 5, 17, 28.9, 29, 34, 41, 50, 58, 90)] == [
        0.0, 100.0, 250.0, 250.0, 150.0, 250.0, 100.0, 180.0, 80.0, 0.0,
    ]  # fmt: skip
    assert [at("previous(cells, 3)", x) for x in (0, 0.001, 20, 60)] == [3.0, 5.0, 2.0, 2.0]
    assert (rows[1:] != rows[:-1]).any(axis=1).all()


@pytest.mark.slow
def test_what_is_asked_of_the_record_enters_the_equations() -> None:
    timeline = timeline_of(KERNEL, course(), START)
    eta = patients(KERNEL, drawn=1)[:3]
    marks = START + np.arange(1, 80 * HOUR_MS, 5 * HOUR_MS + 1000, dtype=np.int64)
    expected = np.array([reference(KERNEL, timeline, row, marks) for row in eta])
    assert_close(solved(KERNEL, timeline, eta, marks), expected)
    still = timeline_of(KERNEL, {}, START)
    assert not np.allclose(solved(KERNEL, still, eta, marks)[:, :, 1], expected[:, :, 1], rtol=0.05)


def test_what_multiplies_a_dose_is_laid_in_as_it_is_given_and_the_equations_stay_as_they_are() -> None:
    timeline = timeline_of(WEIGHED, course(), START)
    assert len(timeline.epoch) > 5
    assert timeline.stages.tolist() == [0]
    solver = Solver(WEIGHED, np.zeros((2, 5)), step_sizes_for(WEIGHED), shared=False)
    assert len({id(solver.system(row)) for row in timeline.covariates}) == 1
    eta = patients(WEIGHED, drawn=1)[:3]
    marks = START + np.arange(1, 60 * HOUR_MS, 14 * HOUR_MS + 1000, dtype=np.int64)
    expected = np.array([reference(WEIGHED, timeline, row, marks) for row in eta])
    assert_close(solved(WEIGHED, timeline, eta, marks), expected, tolerance=1e-9)
    # How levels change with each eta, which is what a search for the mode follows.
    for bump in 1e-4 * np.eye(5)[[WEIGHED.model.eta_names.index(name) for name in ("F", "late")]]:
        found = np.diff(solved(WEIGHED, timeline, np.array([eta[1] - bump, eta[1] + bump]), marks), axis=0)[0]
        slope = reference(WEIGHED, timeline, eta[1] + bump, marks) - reference(WEIGHED, timeline, eta[1] - bump, marks)
        np.testing.assert_allclose(found, slope, rtol=1e-4, atol=1e-9)


def test_an_infusion_of_a_stated_rate_lasts_as_long_as_its_weight_says() -> None:
    marks = START + np.arange(1, 40 * HOUR_MS, 3 * HOUR_MS, dtype=np.int64)
    eta, found = patients(WEIGHED, drawn=1), []
    # Of the third dose 0.8 are available: of 10 h at 10 mg/h the first 8, or of 8 h at 12.5 mg/h all, at 10 mg/h.
    for lasts, rate, rated in ((10, 10.0, True), (8, 12.5, False)):
        begin = START + 2 * HOUR_MS
        third = Recorded(begin, begin + lasts * HOUR_MS, rate, "iv", rated)
        given = with_rates(Delivered(impulses=[(START, 5.0, "iv"), (START + HOUR_MS, 5.0, "iv")], recorded=[third]))
        found.append(solved(WEIGHED, timeline_of(WEIGHED, {"toxin": given}, START), eta, marks))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-11)


def test_steady_doses_are_weighed_as_the_one_that_is_recorded() -> None:
    marks = START + np.arange(1, 40 * HOUR_MS, 7 * HOUR_MS, dtype=np.int64)
    eta, found = patients(WEIGHED, drawn=1), []
    for amount in (150.0, 450.0):
        steady = Steady(START, 24 * HOUR_MS, 0, amount, "oral")
        given = with_rates(Delivered(impulses=[(START, amount, "oral")], steady=[steady]))
        found.append(solved(WEIGHED, timeline_of(WEIGHED, {"toxin": given}, START), eta, marks))
    # 150 mg * 300 / (300 + 150) are 100 mg, 450 mg * 300 / (300 + 450) are 180 mg.
    np.testing.assert_allclose(found[1], 1.8 * found[0], rtol=1e-9)


def test_what_is_shown_of_a_parameter_is_what_it_is_now() -> None:
    timeline = timeline_of(WEIGHED, course(), START)
    shown = individual_parameters(WEIGHED, np.zeros((1, 5)), timeline.covariates_at(START + 20 * HOUR_MS))[0]
    env = dict(zip(WEIGHED.parameters, shown, strict=True))
    assert env["F"] == pytest.approx(0.7 * 300 / (300 + 150))
    assert env["rF"] == pytest.approx(env["F"] / (2 - np.exp(-0.01 * 12)))


def said(hours: float, number: int, value: float | None = None, amount: float = 100.0) -> DoseGiven | LabResult:
    time = from_millis(START) + timedelta(hours=hours)
    common = {"event_id": f"e{number}", "patient_id": "P-1", "time": time, "source": "test"}
    if value is None:
        return DoseGiven(**common, drug="toxin", route="oral", amount=Quantity(value=amount, unit="mg"))  # type: ignore[arg-type]
    return LabResult(**common, analyte="cells", value=Quantity(value=value, unit="10*9/L"))  # type: ignore[arg-type]


def test_a_measurement_sees_the_one_before_it_and_not_itself() -> None:
    history = History()
    for event in (said(0, 1), said(6, 2, 8.0), said(9, 3, 2.5)):
        history.insert(event)
    timeline = build(history, KERNEL)
    assert timeline is not None
    solver = Solver(KERNEL, np.zeros((1, 3)), step_sizes_for(KERNEL), shared=False)
    at = [round(h * HOUR_MS) + START for h in (6, 6.001, 9, 9.001)]
    _, out = solver.advance(solver.initial(timeline), timeline, at[-1], np.array(at, dtype=np.int64))
    jump = np.diff(out[:, 1, 0])
    assert jump[0] == pytest.approx(0.01 * (6 - 1), rel=0.05)
    assert jump[2] == pytest.approx(0.01 * (0.5 - 6), rel=0.05)


def test_a_late_dose_or_measurement_changes_what_follows_it() -> None:
    history = History()
    for event in (said(0, 1), said(30, 2), said(40, 3, 2.0)):
        history.insert(event)
    before = build(history, KERNEL)
    history.insert(said(12, 4, 7.0))
    after = build(history, KERNEL)
    assert before is not None
    assert after is not None
    assert first_difference(before, after) == START + 12 * HOUR_MS


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "analyte"), [(KERNEL, "cells"), (WEIGHED, "level")])
@settings(max_examples=3, deadline=None)
@given(shuffler=st.randoms(use_true_random=False))
def test_any_order_of_arrival_ends_in_the_same_belief(shuffler: random.Random, kernel: Kernel, analyte: str) -> None:
    values = [said(18, 3, 2.2), said(31, 5, 1.9), said(40, 6, 2.4)]
    if analyte == "level":
        mass = [Quantity(value=value.value.value, unit="mg/L") for value in values]
        values = [v.model_copy(update={"analyte": analyte, "value": m}) for v, m in zip(values, mass, strict=True)]
    doses = [said(0, 1), said(12, 2), said(24, 4, amount=50.0), said(27, 7, amount=90.0)]
    gone = doses[-1].model_copy(update={"event_id": "e8", "status": "retracted", "replaces": "e7"})
    enrolment = Enrolment(event_id="e0", patient_id="P-1", time=from_millis(START), source="test", model="made")
    events = [*doses, *values, gone]

    def told(order: list[InputEvent]) -> PatientTwin:
        twin = PatientTwin("P-1", kernel.model, particles=64)
        for event in [enrolment, *order]:
            assert not twin.observe([event]).rejected
        return twin

    first, second = told(events), told(shuffler.sample(events, len(events)))
    assert np.array_equal(first.belief.eta, second.belief.eta)
    assert np.array_equal(first.belief.log_weight, second.belief.log_weight)
    assert encode(events[0])


@pytest.mark.slow
def test_a_column_that_no_parameter_reads_costs_no_new_eigenbasis() -> None:
    model = toys.made(
        {"CL": "5 L/h 0.09", "V": "20 L", "k": "0.1 1/h"},
        {"A": "mg: input(toxin) - CL/V*A", "E": "1: 1 -> k*(1 + tad(toxin)*k - E)"},
        {"level": "mg/L: A/V", "effect": "1: E"},
    )
    kernel = compile_model(model)
    timeline = timeline_of(kernel, {"toxin": infusion([], [(i * DAY_MS, 50.0, "iv") for i in range(9)])})
    assert len(timeline.epoch) == 10
    solver = Solver(kernel, np.zeros((2, 1)), step_sizes_for(kernel), shared=False)
    systems = {id(solver.system(row)) for row in timeline.covariates}
    assert len(systems) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"states": {"A": "mg: input(toxin) - CL/V*A*dose(other)"}}, "unknown drug 'other'"),
        ({"parameters": {"CL": "5 L/h 0.09 | CL*(1 + tad(toxin)/24)", "V": "20 L"}}, "tad() is not allowed here"),
        ({"states": {"A": "mg: input(toxin) - CL/V*A*dose(toxin)"}}, "puts mg/h beside mg2/h"),
        ({"outputs": {"level": "mg/L: A/V*previous(level)"}}, "not in mg/L; mend the formula or a unit"),
        ({"states": {"A": "mg: input(toxin) - CL/V*A*sin(clock)"}}, "the argument of sin, 'clock', is in h"),
        ({"parameters": {"CL": "5 L/h 0.09", "V": "20 L", "tad": "1 h"}}, "'tad' is a word of the formula language"),
        ({"states": {"A": "mg: dose(toxin)*1 -> -CL/V*A"}}, "dose() is not allowed here"),
        ({"states": {"A": "mg: input(toxin, lag=A*V/CL) - CL/V*A"}}, "lag of input(toxin, lag=A * V / CL) reads A"),
        ({"states": {"A": "mg: input(toxin, lag=tad(toxin)) - CL/V*A"}}, "reads tad(toxin), which changes with time"),
        ({"states": {"A": "mg: input(toxin, lag=V) - CL/V*A"}}, "'V' is in L, not in h"),
        ({"parameters": {"CL": "5 L/h 0.09 | CL*after(toxin)", "V": "20 L"}}, "write after(drug, time)"),
        ({"parameters": {"CL": "5 L/h 0.09 | CL*after(toxin, V)", "V": "20 L"}}, "the time must be a number"),
    ],
)
def test_what_the_record_cannot_say_is_refused(change: dict[str, dict[str, str]], problem: str) -> None:
    parts = {
        "parameters": {"CL": "5 L/h 0.09", "V": "20 L"},
        "states": {"A": "mg: input(toxin) - CL/V*A"},
        "outputs": {"level": "mg/L: A/V"},
    }
    with pytest.raises(ModelError) as caught:
        toys.made(**(parts | change))
    assert problem in str(caught.value)
