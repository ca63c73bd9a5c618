"""Times of FHIR: a year, month, day, or an instant with its offset."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.fact import Moment, NotAFact
from connectors.protocols.fhir.times import moment


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026", Moment(datetime(2026, 1, 1), "year")),
        ("2026-03", Moment(datetime(2026, 3, 1), "month")),
        ("2026-03-02", Moment(datetime(2026, 3, 2), "day")),
        ("2026-03-02T09:00:00Z", Moment(datetime(2026, 3, 2, 9, tzinfo=UTC))),
        ("2026-03-02T10:00:00.1234567+01:00", Moment(datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC))),
        ("2026-03-02T09:00:00", Moment(datetime(2026, 3, 2, 9))),
        (" ", None),
        (None, None),
        (7, None),
        ({"x": 1}, None),
    ],
)
def test_a_time_is_as_precise_as_it_was_written(text: object, found: Moment | None) -> None:
    assert moment(text) == found


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13", "2026-02-30", "9999", "0001-01-01T00:00:00Z", "2026-03-02T25:00Z"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(NotAFact, match="malformed"):
        moment(text)


@given(st.text("0123456789-:T.+Z ", max_size=30))
def test_whatever_the_text_it_is_a_time_or_refused(text: str) -> None:
    try:
        found = moment(text)
    except NotAFact:
        return
    assert found is None or found.at.year in range(1900, 2201)
