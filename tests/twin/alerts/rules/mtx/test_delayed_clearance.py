from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.alerts.rules.views import by, level, states, told
from twin.alerts.rules.mtx.delayed_clearance import RULE, find
from twin.alerts.snapshot import Snapshot


def test_a_line_that_will_be_crossed_is_said_before_the_sample_is_drawn() -> None:
    (alert,) = told([level(24, {36: (20.0, 80.0), 42: (2.0, 9.0), 48: (0.5, 3.0)})])
    assert (alert.rule, alert.severity) == (RULE, "high")
    assert alert.probability == pytest.approx(5 / 6)
    assert alert.text == "Methotrexate above 30 µmol/L at 36 h, in 12 h, with probability 83% (median 50 µmol/L)."


def test_a_patient_who_clears_as_expected_is_no_alert_and_the_end_of_the_hours_ends_one() -> None:
    usual = {36: (0.5, 4.0), 42: (0.2, 2.0), 48: (0.1, 1.0)}
    assert states([level(hour, usual) for hour in (6, 12, 24, 36)]) == []
    slow = level(24, {48: (4.0, 40.0)})
    assert states([slow, level(30, {48: (0.1, 1.0)})]) == [(RULE, "start"), (RULE, "end")]
    assert states([slow, Snapshot("P-1", 200_000_000, 500.0, None)]) == [(RULE, "start"), (RULE, "end")]


def test_after_a_long_infusion_only_the_line_at_48_hours_counts() -> None:
    snapshot = level(24, {36: (40.0, 80.0), 48: (0.5, 3.0)})
    longer = replace(snapshot, levels=tuple(replace(view, infused_hours=40.0) for view in snapshot.levels))
    assert find(snapshot, by(RULE))[0].level == 1.0
    assert find(longer, by(RULE))[0].level == 0.0


def test_another_drug_or_unit_is_not_held_against_the_lines() -> None:
    snapshot = level(24, {36: (40.0, 80.0)})
    for other in ({"drug": "busulfan"}, {"unit": "mg/L"}):
        assert find(replace(snapshot, levels=(replace(snapshot.levels[0], **other),)), by(RULE)) == ()
