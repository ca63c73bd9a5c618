from __future__ import annotations

from tests.twin.alerts.rules.views import by, states, told
from twin.alerts.rules.renal.decline import RULE, find
from twin.alerts.snapshot import KidneyView, Snapshot
from twin.clock import HOUR_MS


def kidney(hours: int, now: float, before: float = 80.0) -> Snapshot:
    view = KidneyView(now, before, "umol/L", hours * HOUR_MS)
    return Snapshot("P-1", hours * HOUR_MS, 500.0, None, kidney=view)


def test_half_as_high_again_is_raised_and_a_return_clears() -> None:
    assert states([kidney(0, 90), kidney(24, 125), kidney(48, 100)]) == [(RULE, "start"), (RULE, "end")]


def test_an_ordinary_rise_is_no_alert() -> None:
    assert states([kidney(0, 80), kidney(24, 119), kidney(48, 120)]) == []


def test_twice_as_high_is_graver_and_the_text_has_the_numbers() -> None:
    (half,) = told([kidney(24, 125)])
    (double,) = told([kidney(24, 170)])
    assert (half.severity, double.severity) == ("medium", "high")
    assert double.text == "Creatinine 170 µmol/L, 2.1 times the lowest of the week before (80)."


def test_a_model_without_creatinine_says_nothing() -> None:
    assert find(Snapshot("P-1", 0, 500.0, None), by(RULE)) == ()
