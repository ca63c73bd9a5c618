"""Rules by which doses move."""

from __future__ import annotations

from twin.virtual.dose_rules import DoseRule

REDUCE = DoseRule("neutrophils", 0.5, None, 0.8, None)
DELAY = DoseRule("neutrophils", 1.5, None, None, 7.0)


def test_a_reduction_looks_at_every_value_and_a_delay_at_the_newest() -> None:
    assert REDUCE.applies([0.4, 2.0])
    assert not DELAY.applies([0.4, 2.0])
    assert DELAY.applies([2.0, 1.4])


def test_what_is_at_the_limit_is_not_beyond_it() -> None:
    assert not REDUCE.beyond(0.5)
    assert not DoseRule("bilirubin", None, 2.0, 0.5, None).beyond(2.0)
    assert DoseRule("bilirubin", None, 2.0, 0.5, None).beyond(2.1)
