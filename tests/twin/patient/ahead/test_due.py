"""What a twin says is to be given next."""

from __future__ import annotations

from tests.twin import toys
from tests.twin.bedside import PATIENT, at, level, plan, start
from twin import PatientTwin
from twin.events import DueDose, Estimate, InputEvent, Quantity

MODEL = toys.absorption()


def due(*events: InputEvent) -> dict[str, DueDose] | None:
    """As the newest estimate has it."""
    told = PatientTwin(PATIENT, MODEL, 32).observe(events).outputs
    return [one for one in told if isinstance(one, Estimate)][-1].due


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
