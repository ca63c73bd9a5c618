"""What became of what was said is counted from any thread, and told no more often than helps."""

from __future__ import annotations

from connectors.speaking.counts import MOST_REFUSALS, Counts


def test_that_nobody_answers_is_told_once_until_somebody_does() -> None:
    told: list[str] = []
    counts = Counts(told.append, "Start a listener.")
    for _ in range(3):
        counts.waited("there")
    assert told == ["nobody answers at there yet; waiting. Start a listener."]
    counts.accepted("ORU^R01", 2)
    counts.again()
    counts.waited("there")
    assert (len(told), counts.sent_again, counts.by_kind["ORU^R01"]) == (2, 5, 2)


def test_refusals_are_told_up_to_a_number_and_counted_beyond() -> None:
    told: list[str] = []
    counts = Counts(told.append)
    for number in range(MOST_REFUSALS + 5):
        counts.refused(str(number))
    assert (len(told), counts.refusals) == (MOST_REFUSALS, MOST_REFUSALS + 5)
