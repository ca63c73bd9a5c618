from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import by, states
from twin.alerts.rules.twin.degenerate import RULE, find
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS


def particles(hours: float, ess: float, count: int = 1000) -> Snapshot:
    return Snapshot("P-1", round(hours * HOUR_MS), ess, None, particles=count)


def test_too_few_for_an_hour_is_raised_and_enough_again_clears() -> None:
    steps = [particles(0, 5), particles(0.5, 5), particles(1, 5), particles(2, 300)]
    assert states(steps[:2]) == []
    assert states(steps) == [(RULE, "start"), (RULE, "end")]


def test_a_belief_that_rests_on_enough_is_no_alert() -> None:
    assert states([particles(hour, 11) for hour in range(5)]) == []
    assert states([particles(hour, 2, count=32) for hour in range(5)]) == []


def test_the_text_has_both_numbers_and_nothing_is_said_where_none_is_known() -> None:
    (finding,) = find(particles(0, 5), by(RULE))
    assert finding.text == "Of 1000 particles 5 count: probabilities are hardly known."
    assert find(replace(particles(0, 5), particles=0), by(RULE)) == ()
