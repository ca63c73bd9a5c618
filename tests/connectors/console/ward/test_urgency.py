"""Who needs somebody first."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.console.ward.urgency import urgency, waits


@dataclass(frozen=True)
class Told:
    severity: str
    probability: float | None = None
    state: str = "active"
    shelved_until: int | None = None
    inhibited_by: str | None = None


def test_what_nobody_has_seen_to_comes_before_what_is_worse_and_seen_to() -> None:
    seen = urgency([Told("high", 0.9, state="acknowledged")], 0.9)
    assert urgency([Told("medium", 0.4)], 0.0) > urgency([Told("low", 0.99)], 0.9) > seen > urgency([], 1.0)


def test_an_alert_waits_until_it_is_acknowledged_shelved_or_explained_by_another() -> None:
    assert waits(Told("high"))
    assert waits(Told("high", state="latched"))
    assert not waits(Told("high", state="acknowledged"))
    assert not waits(Told("high", shelved_until=1))
    assert not waits(Told("high", inhibited_by="delivery.overinfusion"))


def test_of_a_patient_the_alert_that_waits_decides_and_the_worst_one_breaks_the_tie() -> None:
    both = [Told("high", 0.9, state="acknowledged"), Told("low", 0.2)]
    assert urgency(both, 0.33) == (1, 3, 2, 3)
    assert urgency(both, 0.0) > urgency([Told("low", 0.9)], 0.0)
