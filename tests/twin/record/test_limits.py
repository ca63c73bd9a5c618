"""What is a hundred times the usual is asked about; where nothing is usual the limits are those of any drug."""

from __future__ import annotations

import pytest

from tests.twin import toys
from tests.twin.bedside import dose, ms, plan, start, totals
from twin import load_model
from twin.events import BadEvent, InputEvent
from twin.record.history import History
from twin.record.limits import TIMES, asked_about, usual_course, usual_dose
from twin.record.recording import insert_event
from twin.solver.settling import settles

DOCETAXEL = load_model("docetaxel_ozawa2007")
USUAL = usual_dose(DOCETAXEL, "docetaxel", "iv") or 0.0


def drug(event: InputEvent) -> InputEvent:
    return event.model_copy(update={"drug": "docetaxel"})


def inserted(*events: InputEvent) -> History:
    history = History()
    for event in events:
        insert_event(history, event, DOCETAXEL, settles)
    return history


def test_the_usual_dose_is_the_regimens_for_the_reference_surface() -> None:
    (regimen,) = (each for each in DOCETAXEL.regimens if each.drug == "docetaxel")
    surface = next(c.reference for c in DOCETAXEL.covariates if c.name == "BSA")
    assert pytest.approx(regimen.amount * surface) == USUAL
    assert usual_course(DOCETAXEL, "docetaxel") == pytest.approx(USUAL * regimen.cycles)
    assert usual_dose(DOCETAXEL, "docetaxel", "oral") == USUAL


def test_a_dose_plan_or_counter_of_a_hundred_times_the_usual_is_held_and_says_so() -> None:
    much = TIMES * USUAL * 1.01
    for event in (dose(1, much), plan(0, (1, USUAL, 1.0), (25, much, 1.0))):
        history = inserted(drug(event))
        assert list(history.effective()) == []
        assert "times the usual dose of" in history.holding.why(next(history.holding.held_facts()))
    counter = inserted(drug(totals(1, TIMES * (usual_course(DOCETAXEL, "docetaxel") or 0.0) * 1.01)))
    assert [fact.kind for fact in counter.holding.held_facts()] == ["pump_totals"]
    assert len(list(inserted(drug(dose(1, 0.99 * TIMES * USUAL))).effective())) == 1


def test_a_dose_in_micrograms_said_to_be_milligrams_is_held_below_the_limit_of_any_drug() -> None:
    history = inserted(drug(dose(1, 180.0)), drug(dose(2, 180_000.0)))
    assert [millis for millis, _ in history.effective()] == [ms(1)]


def test_a_pump_at_a_rate_that_gives_a_hundred_doses_an_hour_is_refused() -> None:
    with pytest.raises(BadEvent, match="rate") as refused:
        inserted(drug(start(1, TIMES * USUAL * 1.01)))
    assert refused.value.reason == "rate_out_of_range"
    inserted(drug(start(1, TIMES * USUAL * 0.99)))


def test_without_a_regimen_nothing_is_asked() -> None:
    model = toys.absorption()
    assert not model.regimens
    assert asked_about(dose(1, 199_000.0), model) is None
