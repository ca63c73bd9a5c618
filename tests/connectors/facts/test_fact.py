"""What readers find: times that can be, details that show nobody."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.facts.fact import REASONS, Moment, NotAFact, shown


def test_a_reason_is_one_of_those_that_are_listed() -> None:
    error = NotAFact("no_time", "no time")
    assert (error.reason, error.detail, str(error)) == ("no_time", "no time", "no_time: no time")
    with pytest.raises(AssertionError):
        NotAFact("whatever", "x")
    assert all(text and text[0].islower() for text in REASONS.values())


@pytest.mark.parametrize("year", [1, 1899, 2201, 9999])
def test_a_time_of_another_epoch_is_none(year: int) -> None:
    with pytest.raises(NotAFact, match="malformed"):
        Moment(datetime(year, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("text", ["K/uL", "giga.l-1", "g/l-1", "degrees C", "10*9/L", "mmHg", "1"])
def test_a_spelling_of_a_unit_is_shown(text: str) -> None:
    assert shown(text) == repr(text)


@pytest.mark.parametrize("text", ["Geheimnis", "4711/08 B", "Everywoman^Eve", "x" * 21, "", "Müllerinnen-Arco"])
def test_what_could_be_somebody_is_not_shown(text: str) -> None:
    assert text[:9] not in shown(text) or not text
