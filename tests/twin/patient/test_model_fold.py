"""One model's fold: when there is something to publish, and what can and cannot be judged again."""

from __future__ import annotations

import pytest

from tests.twin import toys
from tests.twin.bedside import PATIENT, at, bind, clock, count, dose, level, ms, start, stop, vital
from twin.clock import HOUR_MS
from twin.events import Estimate, InputEvent, Withdrawn
from twin.patient.fold import Step
from twin.patient.model_fold import ModelFold
from twin.patient.twin import PatientTwin

MODEL = toys.absorption()


def fold(*events: object) -> ModelFold:
    """A fold that received these events."""
    found = ModelFold(PATIENT, MODEL, 24)
    assert found.receive(events).rejected == ()  # type: ignore[arg-type]
    return found


def folded(until: float, *events: object) -> ModelFold:
    """The same, brought on to an hour."""
    found = fold(*events)
    while (due := found.due()) is not None and due <= ms(until):
        found.step(due)
    return found


def test_nothing_is_due_without_a_fact_that_matters() -> None:
    assert fold().due() is None
    assert fold(clock(3)).due() is None
    with pytest.raises(ValueError, match="nothing that a belief could rest on"):
        fold().step(ms(3))


@pytest.mark.usefixtures("whole_hours")
def test_estimates_are_due_at_data_at_changes_of_rate_and_on_the_grid() -> None:
    found = fold(start(0.3, 40.0), level(1, 2.0), stop(6.5))
    times = []
    while (due := found.due()) is not None and due <= ms(8):
        times.append(due)
        found.step(due)
    grid = found.trunk.rhythm.estimate
    assert {ms(0.3), ms(1), ms(6.5)} <= set(times)
    assert all(time % grid == 0 for time in set(times) - {ms(0.3), ms(1), ms(6.5)})
    assert times == sorted(times)


def test_a_step_tells_what_its_values_met() -> None:
    found = folded(0.9, start(0.3, 40.0), level(1, 2.0), count(1, 3.0))
    step = found.step(ms(1))
    assert isinstance(step, Step)
    assert len(step.learned) == 2
    assert [one.kind for one in step.published] == ["prediction", "prediction", "estimate", "forecast"]
    assert found.belief.observations == 2


@pytest.mark.usefixtures("whole_hours")
def test_a_forecast_is_made_only_for_a_reason() -> None:
    found = folded(8, start(0.3, 40.0), level(1, 2.0))
    due = found.due()
    assert due is not None
    assert found.foresees(due) == (due % found.trunk.rhythm.forecast == 0)
    assert found.foresees(due + HOUR_MS // 2) is False


def test_setting_back_forgets_points_from_then_on() -> None:
    found = folded(12, start(0.3, 40.0), level(1, 2.0))
    found.set_back(ms(4))
    assert found.points
    assert max(point.millis for point in found.points) < ms(4)
    found.set_back(0)
    assert not found.points
    assert found.belief.observations == 0


def test_a_late_report_is_judged_again_from_points_that_were_kept() -> None:
    found = folded(24, bind(0.0), dose(0.5, 60.0), vital(0.6))
    before = [(point.millis, point.position.belief) for point in found.points]
    judged = found.judge_again(ms(9))
    assert judged is not None
    assert judged.since < ms(9) <= judged.until == found.points[-1].millis
    assert [(point.millis, point.position.belief) for point in found.points] == before
    assert found.judge_again(0) is None, "before the first point nothing is kept"
    with pytest.raises(ValueError, match="contact: nothing has been judged since"):
        found.judge_again(ms(1000))


def test_a_fold_taken_up_again_goes_on_as_the_first() -> None:
    events = [start(0.3, 40.0), level(1, 2.0), level(9, 0.5)]
    living = folded(8, *events)
    restored = ModelFold(PATIENT, MODEL, 24, None, living.record.history, living.points[-2:])
    due = living.due()
    assert due == restored.due()
    assert due is not None
    assert living.step(due).published == restored.step(due).published


def test_a_year_of_silence_costs_some_hundred_estimates_and_what_follows_is_the_same() -> None:
    """Three events that are a year apart; a watch that speaks all the time changes how often, not what, is believed."""
    year = 24.0 * 365
    found = fold(dose(0), clock(year))
    times = []
    while (due := found.due()) is not None and due <= ms(year):
        times.append(due)
        found.step(due)
    assert 150 < len(times) < 260
    silent, spoken = fold(dose(0), count(400, 3.0)), fold(dose(0), count(400, 3.0), *map(vital, range(1, 400, 24)))
    said: list[dict[int, object]] = []
    for each in (silent, spoken):
        said.append({})
        while (due := each.due()) is not None and due <= ms(410):
            said[-1][due] = [p for p in each.step(due).published if p.kind != "forecast"]
    assert said[0].keys() < said[1].keys()
    assert len(said[0]) < 150
    assert all(said[1][due] == published for due, published in said[0].items())


def test_a_late_word_in_a_silence_brings_the_estimates_that_were_left_out() -> None:
    found = folded(200, dose(0), bind(0), clock(200))
    received = found.receive([vital(100)])
    assert received.since is None
    assert received.contact == ms(100)
    assert found.judge_again(ms(100)) is None
    assert folded(90, dose(0), bind(0), vital(100), clock(200)).judge_again(ms(50)) is not None


def test_an_infusion_that_was_told_twice_is_noted_with_each_estimate_of_its_course() -> None:
    found = fold(start(0.3, 40.0), stop(2.3), dose(0.3, 80.0, 2.0), level(90, 0.1))
    noted = {}
    while (due := found.due()) is not None and due <= ms(90):
        (noted[due],) = (one.notes for one in found.step(due).published if isinstance(one, Estimate))
    new = {millis for millis, notes in noted.items() if notes is not None}
    assert new == {millis for millis in noted if millis < ms(0.3 + 72)} != set(noted)
    assert noted[ms(0.3)] == (
        "toxin: dose_given 'dose 0.3' (80 mg) is what pump-1 began at 2026-03-02 08:18 UTC; it is counted once, as the "
        "pump tells it",
    )


def test_a_dose_that_another_one_takes_the_place_of_is_noted_anew() -> None:
    """The pump told one infusion; the dose that names the pump is that one, and the other counts beside it."""
    pumped = start(0.3, 40.0), stop(2.3), dose(1.2, 80.0, 2.0)
    found = folded(4, *pumped, level(4, 1.0))
    received = found.receive([dose(3, 80.0, 2.0, device_id="pump-1")])
    assert received.since == ms(0.3)


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("later", [(), (level(70, 2.0),)], ids=["not at all", "later"])
def test_what_was_said_before_a_record_begins_is_withdrawn_also_by_a_restored_twin(
    restored: bool, later: tuple[InputEvent, ...]
) -> None:
    """The first dose was never given; by then the twin has said more than it keeps points of."""
    twin = PatientTwin(PATIENT, MODEL, 24)
    first = dose(0.5)
    told = twin.observe([first, clock(60)]).outputs
    if restored:
        twin = PatientTwin.from_row(twin.row(), MODEL)
    told += twin.observe(
        [first.model_copy(update={"event_id": "gone", "status": "retracted", "replaces": "dose 0.5"})]
    ).outputs
    told += twin.observe(later).outputs
    gone = {one.time for one in told if isinstance(one, Withdrawn) and not one.estimated and not one.foreseen}
    assert gone >= {one.time for one in told if isinstance(one, Estimate) and one.time < at(70)}


def test_estimates_and_forecasts_are_due_at_the_patient_s_own_minute() -> None:
    found = folded(30, start(0.3, 40.0))
    rhythm = found.trunk.rhythm
    assert rhythm.phase % rhythm.estimate
    times = [point.millis for point in found.points[1:]]
    assert times
    assert all((time - rhythm.phase) % rhythm.estimate == 0 for time in times)
    foreseen = [time for time in times if found.foresees(time)]
    assert foreseen == [time for time in times if (time - rhythm.phase) % rhythm.forecast == 0]
