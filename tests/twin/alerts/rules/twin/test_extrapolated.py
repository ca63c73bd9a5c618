from __future__ import annotations

import pytest

from tests.twin.alerts.rules.views import states, told
from twin.alerts.rules.twin.extrapolated import RULE
from twin.alerts.snapshot import Snapshot, StudiedView
from twin.clock import DAY_MS
from twin.events import Subject


def weighing(day: float, *kilograms: float) -> Snapshot:
    """A patient with one or more characteristics, of which 40 to 90 kg were studied."""
    views = tuple(StudiedView("M", f"WT{i or ''}", kg, "kg", 40.0, 90.0) for i, kg in enumerate(kilograms))
    return Snapshot("P-1", round(day * DAY_MS), 500.0, None, studied=views)


def test_who_is_beyond_is_told_of_the_model_and_it_ends_within() -> None:
    steps = [weighing(0, 60), weighing(1, 92), weighing(2, 89)]
    alert, end = told(steps)
    assert (alert.rule, alert.phase, end.phase) == (RULE, "start", "end")
    assert (alert.subject, alert.severity, alert.onset_ms) == (Subject("model", "M"), "low", DAY_MS)
    assert alert.text == "WT: 92 kg is above 90 kg, the greatest that the model's effects were learnt from."
    assert end.text == "WT: 89 kg, within what was learnt from again."


def test_the_farthest_is_named_and_others_are_counted() -> None:
    (alert,) = told([weighing(0, 92, 20, 60)])
    assert alert.text == (
        "WT1: 20 kg is below 40 kg, the least that the model's effects were learnt from; 1 more characteristics are"
        " beyond, too."
    )


@pytest.mark.parametrize("kilograms", [40.0, 60.0, 90.0, 90.4])
def test_within_and_by_less_than_scales_differ_nothing_is_said(kilograms: float) -> None:
    assert states([weighing(0, kilograms)]) == []


def test_about_the_end_it_does_not_flap() -> None:
    assert states([weighing(hour / 24, 90.6 if hour % 2 else 90.3) for hour in range(6)]) == [(RULE, "start")]


def test_of_a_model_that_does_not_say_nothing_is_said() -> None:
    assert states([weighing(0)]) == []
