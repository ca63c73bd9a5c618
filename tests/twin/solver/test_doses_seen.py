"""What a record holds decides how finely a model without regimens is stepped, whatever the order of its events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import dose, level
from tests.twin.equations import reference
from tests.twin.kernel.test_kernel import assert_close, patients
from tests.twin.solver.test_step_control import SATURABLE
from twin import PatientTwin
from twin.clock import HOUR_MS
from twin.events import Estimate, InputEvent
from twin.kernel.arguments import StepSizes
from twin.kernel.kernel import compile_model
from twin.model.spec import ModelError
from twin.solver import step_control
from twin.solver.doses_seen import LENGTHS, regimens_seen
from twin.solver.solver import Solver
from twin.solver.step_control import ROUGH, step_sizes_for, steps_note
from twin.timeline.delivery import Delivered
from twin.timeline.regimen import treated, treatment

MODEL = toys.made(*SATURABLE)


def infused(*runs: tuple[int, int, float]) -> Delivered:
    """Runs from and to (h) at a rate (mg/h)."""
    steps = [step for begin, end, rate in runs for step in ((begin * HOUR_MS, rate), (end * HOUR_MS, 0.0))]
    return Delivered(rate=steps, rate_by_route={"iv": steps})


def test_the_largest_dose_and_the_fastest_rate_are_looked_at() -> None:
    found = regimens_seen({"toxin": infused((0, 2, 10.0), (24, 25, 40.0))}, MODEL)
    assert [(one.drug, one.route, one.duration) for one in found] == [("toxin", "iv", 6.0)] * 2
    assert [one.amount for one in found] == [256.0, 4.0]


@given(st.floats(0.01, 1e5), st.integers(1, 200))
def test_regimens_are_no_weaker_than_the_dose_and_few(rate: float, hours: int) -> None:
    found, _ = regimens_seen({"toxin": infused((0, hours, rate))}, MODEL)
    assert found.duration in LENGTHS
    assert found.amount / found.duration >= rate * (1 - 1e-6)
    assert np.log(found.amount) / np.log(4.0) == pytest.approx(round(np.log(found.amount) / np.log(4.0)))


def test_a_dose_that_names_its_state_is_looked_at_in_that_state() -> None:
    seen = Delivered(impulses=[(0, 100.0, "iv into A")])
    found = regimens_seen({"toxin": seen}, MODEL)
    assert {(one.route, one.state) for one in found} == {("iv", "A")}
    assert {one.state for one in treatment(replace(MODEL, regimens=found), "P-1", 1.0)} == {"A"}


def test_nothing_given_asks_for_nothing() -> None:
    assert regimens_seen({"toxin": Delivered()}, MODEL) == ()


def test_a_record_is_solved_as_exactly_as_one_with_regimens() -> None:
    kernel = compile_model(MODEL)
    timeline = treated(kernel, (dose(0, 200, 1), dose(24, 350, 1)))
    marks = timeline.start + np.arange(1, 60, 7, dtype=np.int64) * HOUR_MS
    eta = patients(kernel, drawn=1)
    solver = Solver(kernel, eta, step_sizes_for(kernel, timeline.delivered), shared=False)
    out = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)[1]
    assert_close(np.moveaxis(out, 2, 0), np.array([reference(kernel, timeline, row, marks) for row in eta]))


@pytest.mark.parametrize("rate", [1e6, 2e7])
def test_steps_for_doses_far_beyond_reason_are_soon_found(rate: float) -> None:
    found = step_sizes_for(compile_model(MODEL), {"toxin": infused((0, 1, rate))})
    assert 1e-6 < found.first < found.largest
    assert found.growth > 0.05


def test_where_no_steps_follow_the_doses_of_a_record_its_estimates_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def stiff(*_: object) -> StepSizes:
        raise ModelError(MODEL.id, "states", "are stiff under these doses")

    kernel, calibrated = compile_model(MODEL), step_control._calibrated
    monkeypatch.setattr(step_control, "_calibrated", stiff)
    monkeypatch.setattr(step_control, "recalled", lambda *_: None)
    monkeypatch.setattr(step_control, "keep", lambda *_: None)
    monkeypatch.setattr(step_control, "_CHOSEN", {})
    assert steps_note(kernel, {"toxin": infused((0, 1, 9000.0))}) == ROUGH
    twin, far_too_fast = PatientTwin("P-1", MODEL, particles=50), dose(0, 9000, 1)
    assert notes_of(twin, far_too_fast, level(3, 5.0, analyte="level")) == {(ROUGH,)}
    monkeypatch.setattr(step_control, "_calibrated", calibrated)
    assert steps_note(kernel, {"toxin": infused((0, 1, 350.0))}) is None
    mended = dose(0, 350, 1, event_id="dose 0 mended", status="corrected", replaces=far_too_fast.event_id)
    assert notes_of(twin, mended) == {None}


def notes_of(twin: PatientTwin, *events: InputEvent) -> set[tuple[str, ...] | None]:
    """What estimates say beside their numbers when these are observed."""
    return {output.notes for output in twin.observe(events).outputs if isinstance(output, Estimate)}


EVENTS = [dose(0, 200, 1), level(3, 5.0), dose(24, 3000), dose(48, 40), level(50, 60.0)]


@given(st.permutations(EVENTS))
@settings(max_examples=8, deadline=None)
def test_a_twin_that_meets_a_larger_dose_believes_the_same_in_any_order(events: list[InputEvent]) -> None:
    in_order, shuffled = (PatientTwin("P-1", MODEL, particles=50) for _ in range(2))
    in_order.observe(EVENTS)
    for event in events:
        shuffled.observe([event])
    again = PatientTwin.from_row(shuffled.row(), MODEL)
    for other in (shuffled, again):
        assert np.array_equal(in_order.belief.eta, other.belief.eta)
        assert in_order.belief.log_evidence == other.belief.log_evidence
    assert in_order.row() == PatientTwin.from_row(in_order.row(), MODEL).row()
