"""What a twin says is to be given next, and what should have been by now."""

from __future__ import annotations

from tests.twin import toys
from tests.twin.bedside import PATIENT, at, level, plan, start
from twin import PatientTwin
from twin.events import DueDose, Estimate, InputEvent, PlannedByNow, Quantity

MODEL = toys.absorption()


def newest(*events: InputEvent) -> Estimate:
    told = PatientTwin(PATIENT, MODEL, 32).observe(events).outputs
    return [one for one in told if isinstance(one, Estimate)][-1]


def due(*events: InputEvent) -> dict[str, DueDose] | None:
    """As the newest estimate has it."""
    return newest(*events).due


def test_the_next_dose_of_each_drug_is_due_and_one_that_has_begun_no_more() -> None:
    planned = plan(0, (1, 60.0, 2.0), (25, 50.0, None))
    assert due(planned, start(1), level(2, 0.5)) == {
        "toxin": DueDose(time=at(25), amount=Quantity(value=50, unit="mg"))
    }
    assert due(planned, start(1), level(26, 0.5)) is None, "nothing is left of the plan"


def test_a_newer_plan_says_what_is_due() -> None:
    newer = plan(1, (30, 40.0, 1.5), event_id="newer")
    found = (due(plan(0, (25, 50.0, None)), newer, start(1), level(2, 0.5)) or {})["toxin"]
    assert (found.time, found.amount.value, found.duration and found.duration.value) == (at(30), 40.0, 1.5)


def test_what_should_have_been_given_by_now_is_told_whether_or_not_it_was() -> None:
    planned = plan(0, (1, 60.0, 2.0), (3, 50.0, None), (25, 50.0, None))

    def told(hour: float) -> PlannedByNow:
        return (newest(planned, start(1), level(hour, 0.5)).planned or {})["toxin"]

    assert (told(2).rate.value, told(2).amount.value) == (30.0, 30.0)
    assert (told(4).rate.value, told(4).amount.value) == (0.0, 110.0)
    assert newest(start(1), level(2, 0.5)).planned is None, "nothing was ordered"
