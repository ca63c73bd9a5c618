"""Infusions by a simulated pump: what goes in, and that the pump's words say just that."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.feeds.ward.pump import SCENARIOS, Infusion, Scenario, infuse, words
from twin.clock import HOUR_MS, MINUTE_MS

EVERY = 2 * MINUTE_MS


def infusion(scenario: Scenario, hours: float = 46.0, seed: int = 1) -> Infusion:
    return infuse("fluorouracil", 0, 4320.0, hours, scenario, np.random.default_rng(seed))


INFUSIONS = st.builds(
    infusion, st.sampled_from(SCENARIOS), st.sampled_from([0.5, 1.0, 3.0, 46.0]), st.integers(0, 10**6)
)


@settings(deadline=None)
@given(INFUSIONS)
def test_segments_are_contiguous_and_within_what_a_pump_can_do(given_infusion: Infusion) -> None:
    segments = given_infusion.segments
    assert 0 <= given_infusion.start <= 10 * MINUTE_MS
    assert all(before.end == after.start for before, after in pairwise(segments))
    assert all(segment.end > segment.start and segment.rate >= 0 for segment in segments)
    assert all((segment.rate == 0) == (segment.reason is not None) for segment in segments)
    ordered = given_infusion.amount / given_infusion.hours
    assert max(segment.rate for segment in segments) <= 10 * ordered * 1.06
    assert given_infusion.delivered_until(given_infusion.end) == pytest.approx(given_infusion.delivered)


@settings(deadline=None)
@given(INFUSIONS, st.integers(1, 30))
def test_a_pumps_words_integrate_to_what_was_delivered(given_infusion: Infusion, minutes: int) -> None:
    said = list(words(given_infusion, minutes * MINUTE_MS))
    times = [word.time for word in said]
    assert times == sorted(set(times))
    total = sum(word.rate * (later.time - word.time) / HOUR_MS for word, later in pairwise(said))
    assert total == pytest.approx(given_infusion.delivered, rel=1e-9)
    assert all((word.rate > 0) == (word.status != "not-delivering") for word in said)
    connected, released = given_infusion.connected
    assert times[0] == connected
    assert times[-1] < released
    assert max(later - earlier for earlier, later in pairwise(times)) <= minutes * MINUTE_MS + 1000


@settings(deadline=None)
@given(INFUSIONS)
def test_phases_follow_the_order_of_ipec(given_infusion: Infusion) -> None:
    phases = [word.phase for word in words(given_infusion, EVERY) if word.phase != "sample"]
    assert phases[0] == "start"
    assert phases[-1] in ("stop", "complete")
    assert all({before, after} == {"start", "stop"} for before, after in pairwise(phases[:-1]))


def test_each_scenario_does_what_its_name_says() -> None:
    found = {scenario: infusion(scenario) for scenario in SCENARIOS}
    delivered = {scenario: i.delivered / i.amount for scenario, i in found.items()}
    for scenario in ("as_ordered", "occlusion", "silence", "misprogrammed", "rate_change"):
        assert delivered[scenario] == pytest.approx(1, rel=1e-6)
    assert delivered["overdose"] == pytest.approx(2, rel=1e-6)
    assert 0.4 < delivered["leak"] < 0.85
    assert 0.35 < delivered["early_end"] < 0.75
    lasting = {scenario: (i.end - i.start) / HOUR_MS for scenario, i in found.items()}
    assert lasting["misprogrammed"] < 0.53 * 46
    assert lasting["occlusion"] > lasting["as_ordered"]
    assert [segment.reason for segment in found["occlusion"].segments] == [None, "pump-stopped-alarming", None]
    silent = found["silence"].silent
    assert silent is not None
    assert silent[1] - silent[0] > 0.29 * 46 * HOUR_MS
    assert not found["silence"].heard(silent[0])
    assert found["silence"].heard(silent[1])
    assert found["as_ordered"].happened is None
    assert all(found[scenario].happened is not None for scenario in SCENARIOS if scenario != "as_ordered")


def test_a_rate_change_is_a_stop_at_the_old_rate_and_a_start_at_the_new_one() -> None:
    changed = infusion("rate_change")
    stop, start = next(
        pair for pair in pairwise(words(changed, EVERY)) if pair[0].phase == "stop" and pair[1].phase == "start"
    )
    assert (stop.status, stop.rate) == ("transitioning", changed.segments[0].rate)
    assert (start.status, start.rate) == ("delivering", changed.segments[1].rate)
    assert start.time - stop.time == 1000


def test_pumps_are_a_few_percent_off_and_differ() -> None:
    first = [infusion("as_ordered", seed=seed).segments[0] for seed in range(300)]
    ratios = [segment.rate / segment.programmed for segment in first]
    assert np.std(ratios) == pytest.approx(0.02, rel=0.15)
    assert max(abs(ratio - 1) for ratio in ratios) < 0.05 + 1e-9


@pytest.mark.parametrize(("amount", "hours"), [(0.0, 1.0), (-5.0, 1.0), (10.0, 0.0), (float("nan"), 1.0)])
def test_an_infusion_of_nothing_or_of_no_time_is_refused(amount: float, hours: float) -> None:
    with pytest.raises(ValueError, match="both must be above 0"):
        infuse("drug", 0, amount, hours, "as_ordered", np.random.default_rng(1))


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(ValueError, match="scenario 'flood'; known: as_ordered"):
        infuse("drug", 0, 1.0, 1.0, "flood", np.random.default_rng(1))  # type: ignore[arg-type]
