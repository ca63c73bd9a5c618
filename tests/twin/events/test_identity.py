"""Ids of facts: fixed for ever, and different for different facts."""

from __future__ import annotations

from twin.events import event_id


def test_event_ids_are_fixed_and_tell_parts_apart() -> None:
    assert event_id("pump", "P-1", 5) == "d68e108995a97491e1b58cd8788ae342"
    assert event_id("a", "bc") != event_id("ab", "c")
    assert len({event_id("x", n) for n in range(1000)}) == 1000
