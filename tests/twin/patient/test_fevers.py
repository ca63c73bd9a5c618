"""A wearable's fever with low neutrophils is an alert at once, in any order, and withdrawn when the reading is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest

from tests.twin import toys
from tests.twin.bedside import PATIENT, alerts_told, count, dose, ms, temperature, vital
from twin import PatientTwin
from twin.events import Alert, InputEvent

RULE = "tox.febrile_neutropenia"
MODEL = toys.absorption()
LOW: list[InputEvent] = [dose(0.0, 1.0), count(1.0, 0.35), count(2.0, 0.35), count(3.0, 0.35)]
NORMAL: list[InputEvent] = [dose(0.0, 1.0), count(1.0, 4.0), count(2.0, 4.0), count(3.0, 4.0)]
FEVER = temperature(4.5, 38.6)
LATER = vital(5.5)


def told(*groups: Sequence[InputEvent]) -> tuple[PatientTwin, list[Alert]]:
    twin = PatientTwin(PATIENT, MODEL, 60)
    return twin, alerts_told(twin, RULE, groups)


def test_both_are_an_alert_at_the_very_reading_and_neither_alone_is() -> None:
    _, (alert,) = told(LOW, [FEVER])
    assert (alert.time, alert.severity, alert.phase) == (FEVER.time, "high", "start")
    assert told(NORMAL, [FEVER], [LATER])[1] == []
    assert told(LOW, [temperature(4.5, 37.2)], [LATER])[1] == []


def test_a_late_temperature_raises_and_a_retracted_one_withdraws() -> None:
    twin, (alert, escalated) = told(LOW, [LATER], [FEVER])
    assert (alert.time, escalated.phase) == (FEVER.time, "escalate"), "nobody acknowledged it within half an hour"
    taken_back = temperature(4.5, 38.6, event_id="back", status="retracted", replaces=FEVER.event_id)
    (gone,) = [one for one in twin.observe([taken_back]).outputs if isinstance(one, Alert) and one.rule == RULE]
    assert (gone.phase, gone.alert_id) == ("withdrawn", alert.alert_id)
    lower = temperature(4.5, 36.6, event_id="mend", status="corrected", replaces=FEVER.event_id)
    assert told(LOW, [lower], [FEVER], [LATER])[1] == [], "corrected before it came"


def test_any_order_and_a_restart_end_in_the_same_bytes() -> None:
    events = [*LOW[:2], FEVER, temperature(4.6, 38.0), temperature(5.4, 36.6)]
    rows = set()
    for order in list(permutations(events))[::17]:
        twin, _ = told(*([event] for event in order))
        rows.add((twin.belief.eta.tobytes(), tuple((e.fold_id, e.digest) for e in twin.ledger.live)))
    assert len(rows) == 1
    row = told(events)[0].row()
    again = PatientTwin.from_row(row, MODEL)
    assert again.observe(events).rejected == ()
    assert again.row() == row
    assert again.history.fevers.times[0] == ms(4.5)


@pytest.mark.parametrize("value", [38.6, 38.4])
def test_an_id_that_says_something_else_is_refused_however_old_it_is(value: float) -> None:
    twin, _ = told(LOW, [FEVER])
    refused = twin.observe([temperature(4.5, value, event_id=FEVER.event_id)]).rejected
    assert [one.reason for one in refused] == ([] if value == 38.6 else ["id_conflict"])
