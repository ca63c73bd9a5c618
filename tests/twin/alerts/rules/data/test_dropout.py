from __future__ import annotations

import pytest

from tests.twin.alerts.rules.views import by, device, states, told
from twin.alerts.rules.data.dropout import RULE, find
from twin.clock import MINUTE_MS
from twin.events import Subject


@pytest.mark.parametrize(("every", "allowed"), [(0.1, 15), (1, 15), (5, 15), (6, 18), (60, 180)])
def test_silence_counts_beyond_three_intervals_but_at_least_a_quarter_of_an_hour(every: float, allowed: int) -> None:
    assert states([device(allowed, 0, every=every)]) == []
    assert states([device(allowed + 0.01, 0, every=every)]) == [(RULE, "start")]


def test_the_onset_is_when_the_allowance_ran_out_whenever_somebody_looked() -> None:
    looked = [told([device(minutes, 100)])[0] for minutes in (116, 240, 9000)]
    assert {alert.onset_ms for alert in looked} == {115 * MINUTE_MS}
    assert len({alert.alert_id for alert in looked}) == 1


def test_clears_when_the_device_speaks_again() -> None:
    raised, cleared = told([device(20, 0), device(25, 0), device(30, 29.5)])
    assert (raised.phase, cleared.phase) == ("start", "end")
    assert raised.subject == cleared.subject == Subject("device", "wrist-9")
    assert raised.text == "Device wrist-9 silent for more than 15 min; expected every 1 min."
    assert cleared.text == "Device wrist-9 is heard; expected every 1 min."


def test_clears_when_the_device_is_released() -> None:
    assert states([device(20, 0), device(25, 0, associated=False)]) == [(RULE, "start"), (RULE, "end")]


def test_a_released_device_or_one_without_a_promise_may_be_silent() -> None:
    assert states([device(500, 0, associated=False)]) == []
    assert states([device(500, 0, every=None)]) == []


def test_a_second_silence_is_a_second_alert() -> None:
    transitions = told([device(20, 0), device(25, 24), device(60, 24)])
    assert [t.phase for t in transitions] == ["start", "end", "start"]
    assert transitions[0].alert_id != transitions[2].alert_id


def test_a_word_from_the_future_of_the_snapshot_is_no_silence() -> None:
    assert find(device(10, 11), by(RULE))[0].level == 0.0


def test_freshness_is_the_silence() -> None:
    assert told([device(120, 0)])[0].freshness_hours == 2.0


def test_a_silence_that_lasts_is_told_again_each_time_it_has_doubled() -> None:
    transitions = told([device(minutes, 0) for minutes in range(16, 24 * 60, 7)])
    assert [t.phase for t in transitions] == ["start", *["update"] * 6]
    assert transitions[-1].text == "Device wrist-9 silent for more than 16 h; expected every 1 min."
    assert len({t.alert_id for t in transitions}) == 1
