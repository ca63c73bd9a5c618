"""What a rule states of itself: severity from harm and onset, numbers with reasons, and what is refused."""

from __future__ import annotations

import math

import pytest

from twin.alerts.settings import Harm, Onset, Threshold, changed, severity_of, stated

NUMBERS = {
    "raise_above": Threshold(0.5, "1", assumed="even"),
    "clear_below": Threshold(0.3, "1", assumed="less"),
    "raise_after": Threshold(2, "h", source="a paper"),
    "band_2": Threshold(0.9, "1", assumed="nine to one"),
    "band_1": Threshold(0.7, "1", assumed="two to one"),
    "own": Threshold(7.0, "d", assumed="a week"),
}


@pytest.mark.parametrize(
    ("harm", "severities"),
    [
        ("irreversible", ["high", "high", "medium"]),
        ("reversible", ["high", "medium", "low"]),
        ("minor", ["medium", "low", "low"]),
    ],
)
def test_severity_is_that_of_the_table_of_iec_60601_1_8(harm: Harm, severities: list[str]) -> None:
    onsets: list[Onset] = ["immediate", "prompt", "delayed"]
    assert [severity_of(harm, onset) for onset in onsets] == severities


def test_numbers_become_settings_and_the_rules_own_stay_in_their_unit() -> None:
    its = stated("irreversible", "delayed", NUMBERS, latching=True, inhibited_by=("a.b",))
    assert (its.raise_above, its.clear_below, its.raise_after_ms, its.severity) == (0.5, 0.3, 7_200_000, "medium")
    assert (its.bands, its.number("own"), its.latching, its.inhibited_by) == ((0.7, 0.9), 7.0, True, ("a.b",))
    other = changed(its, {"raise_above": Threshold(0.6, "1", assumed="ward")})
    assert (other.raise_above, other.clear_below, other.latching, other.inhibited_by) == (0.6, 0.3, True, ("a.b",))


def test_a_number_without_reason_or_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="say its source, or why it is assumed"):
        Threshold(1.0, "h")
    with pytest.raises(ValueError, match="is not finite"):
        Threshold(math.nan, "h", source="x")
    with pytest.raises(ValueError, match="raise_after is in mg; write min, h or d"):
        stated("minor", "delayed", {**NUMBERS, "raise_after": Threshold(1, "mg", assumed="x")})


@pytest.mark.parametrize("near", [0.01, 0.99])
def test_what_is_near_is_not_raised_where_it_would_clear_at_once_or_later_than_what_is_far(near: float) -> None:
    numbers = {"raise_near": Threshold(near, "1", assumed="x"), "clear_near": Threshold(0.1, "1", assumed="x")}
    with pytest.raises(ValueError, match=rf"raise_near {near:g} must be more than clear_near 0.1 and at most raise_a"):
        stated("minor", "delayed", {**NUMBERS, **numbers})
