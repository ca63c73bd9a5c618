"""Numbers of accesses: one that is not there is missed."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from connectors.audit.access import Access, missing

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def numbered(seat: str, *numbers: int) -> list[Access]:
    return [Access("read", "done", "ward").stamped(NOON, seat, number) for number in numbers]


@pytest.mark.parametrize(
    "kept",
    [
        numbered("a", 0, 1, 2),
        numbered("a", 7, 8),  # older ones are kept no more
        numbered("a", 0, 1) + numbered("b", 0) + numbered("a", 2),
        numbered("a", 0, 1, 2, 1, 2, 3),  # sent again by a console that did not know whether Kafka had them
    ],
)
def test_where_each_number_of_each_console_is_there_nothing_is_wrong(kept: list[Access]) -> None:
    assert list(missing(kept)) == []


def test_what_is_missing_is_named_by_console_and_number() -> None:
    assert list(missing(numbered("a", 0, 2) + numbered("b", 3, 7))) == [
        "of what console a tells number 1 is missing",
        "of what console b tells numbers 4 to 6 are missing",
    ]


def test_a_repetition_that_says_something_else_is_named() -> None:
    first, second = numbered("a", 0, 1)
    changed = msgspec.structs.replace(second, who="nurse-8")
    assert "in two ways" in " ".join(missing([first, second, changed]))
