from __future__ import annotations

from tests.twin.alerts.rules.views import by, states, told
from twin.alerts.rules.delivery.mismatch import RULE, find
from twin.alerts.snapshot import CounterView, Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject


def counter(hours: int, counted: float | None, said: float = 200.0) -> Snapshot:
    view = None if counted is None else CounterView("pump-4", "fluorouracil", 0, 4 * HOUR_MS, said, counted)
    return Snapshot("P-1", hours * HOUR_MS, 500.0, None, counter=view)


def test_a_counter_that_tells_less_is_raised_and_ends_when_it_matters_no_more() -> None:
    alerts = told([counter(4, 150.0), counter(100, None)])
    assert [alert.phase for alert in alerts] == ["start", "end"]
    assert alerts[0].subject == Subject("device", "pump-4")
    assert (
        alerts[0].text
        == "fluorouracil: the counter of pump-4 rose by 150 mg in 4 h, in which its rates come to 200 mg."
    )
    assert alerts[1].text == "fluorouracil: when it went in does not matter any more."


def test_a_difference_within_the_accuracy_of_pumps_is_no_alert() -> None:
    assert states([counter(4, 181.0), counter(8, 219.0)]) == []


def test_half_of_it_missing_is_graver() -> None:
    assert [find(counter(4, counted), by(RULE))[0].severity for counted in (150.0, 90.0)] == ["low", "medium"]
