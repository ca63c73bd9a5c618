from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import by, level, told
from twin.alerts.lifecycle import Transition
from twin.alerts.rules.mtx.glucarpidase_window import RULE, find
from twin.alerts.snapshot import KidneyView, Snapshot

SLOW = {48: (4.0, 40.0)}


def kidney(snapshot: Snapshot, ratio: float) -> Snapshot:
    return replace(snapshot, kidney=KidneyView(80.0 * ratio, 80.0, "umol/L", 0))


def of_this_rule(snapshots: list[Snapshot]) -> list[Transition]:
    return [alert for alert in told(snapshots) if alert.rule == RULE]


def test_a_slow_patient_whose_creatinine_rose_is_told_the_hours_that_are_left() -> None:
    (alert,) = of_this_rule([kidney(level(40, SLOW), 1.6)])
    assert alert.text == (
        "Methotrexate above 5 µmol/L at 48 h with probability 97%, creatinine 1.6 times the former: 20 h left for "
        "glucarpidase."
    )
    assert alert.horizon_hours == 20.0


def test_without_a_rise_of_creatinine_or_with_a_low_level_it_is_not_indicated() -> None:
    assert of_this_rule([kidney(level(40, SLOW), 1.4)]) == []
    assert of_this_rule([kidney(level(40, {48: (0.1, 4.0)}), 3.0)]) == []
    assert find(level(40, SLOW), by(RULE)) == ()


def test_a_creatinine_that_came_down_again_ends_it() -> None:
    phases = [alert.phase for alert in of_this_rule([kidney(level(40, SLOW), 1.6), kidney(level(41, SLOW), 1.1)])]
    assert phases == ["start", "end"]
