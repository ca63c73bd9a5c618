from __future__ import annotations

import pytest

from tests.twin.alerts.rules.views import states, told
from twin.alerts.rules.tox.febrile_neutropenia import RULE
from twin.alerts.snapshot import CountView, Snapshot
from twin.clock import HOUR_MS, MINUTE_MS
from twin.events import Subject

LOW = CountView("neutrophils", ((1.0, tuple(0.2 + 0.02 * i for i in range(101))),))
"""Under 1.0 x 10^9/L with probability 40 %, under 0.5 with 15 %."""

HIGH = CountView("neutrophils", ((0.5, (2.0,) * 101), (0.5, (3.0,) * 101)))


def fever(hour: float, *read: tuple[float, float], neutrophils: CountView | None = LOW, ess: float = 500.0) -> Snapshot:
    """Temperatures by the hour."""
    temperatures = tuple((round(at * HOUR_MS), value) for at, value in read)
    return Snapshot("P-1", round(hour * HOUR_MS), ess, 0, temperatures=temperatures, neutrophils=neutrophils)


def test_fever_with_low_neutrophils_is_of_high_severity_and_says_both() -> None:
    (alert,) = told([fever(10, (9.5, 38.3))])
    assert (alert.rule, alert.subject, alert.severity) == (RULE, Subject("output", "neutrophils"), "high")
    assert alert.probability == pytest.approx(0.4, abs=0.02)
    assert alert.text == (
        "Fever of up to 38.3 °C, last read 0.5 h ago; neutrophils under 1 ×10⁹/L with probability 40%, under 0.5 with "
        "15%."
    )


def test_fever_alone_and_low_neutrophils_alone_are_not() -> None:
    assert states([fever(10, (9.5, 39.5), neutrophils=HIGH)]) == []
    assert states([fever(10)]) == []
    assert states([fever(10, (9.5, 39.5), neutrophils=None)]) == []
    assert states([fever(10, (9.5, 39.5), ess=5.0)]) == [], "hardly known"


def test_a_lower_fever_has_to_be_kept_up_for_an_hour() -> None:
    def every(minutes: int, upto: float) -> list[tuple[float, float]]:
        return [(9 + at / 60, 38.1) for at in range(0, round(upto * 60) + 1, minutes)]

    assert states([fever(10.5, *every(20, 0.9))]) == []
    assert states([fever(10.5, *every(20, 1.0))]) == [(RULE, "start")]
    assert states([fever(10.5, *every(40, 1.4))]) == [], "not known to be kept up"
    assert states([fever(10.5, (9, 38.29))]) == []


def test_a_fever_counts_for_a_day_and_what_is_gone_and_unseen_latches() -> None:
    assert states([fever(24 + 9.4, (9.5, 38.6))]) == [(RULE, "start")]
    _, end = told([fever(10, (9.5, 38.6)), fever(24 + 9.5 + 1 / 60, (10.0, 38.0))])
    assert (end.phase, end.state) == ("end", "latched")
    assert end.text.startswith("No fever for 24 h")
    assert told([fever(10, (9.5, 38.6)), fever(40)])[-1].text == "No fever for a day."


def test_it_is_told_again_when_neutrophils_come_to_be_very_low() -> None:
    lower = CountView("neutrophils", ((1.0, (0.3,) * 101),))
    later = fever(10 + 1 / 60, (9.5, 38.6), neutrophils=lower)
    assert [one.phase for one in told([fever(10, (9.5, 38.6)), later])] == ["start", "update"]
    assert lower.below(0.5) == 1.0
    assert HIGH.quantile(0.4) == 2.0
    assert HIGH.quantile(0.6) == 3.0
    assert fever(10).time_ms == 600 * MINUTE_MS
