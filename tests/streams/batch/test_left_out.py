"""What was left out of a record, in words."""

from __future__ import annotations

from streams.batch.cases import EventPlace, Problem, of_patient
from streams.batch.left_out import in_words


def problem(line: int, what: str, file: str = "a.csv") -> Problem:
    return Problem(EventPlace(file, line), "why", "7", what)


def test_kinds_stand_with_their_lines_in_order() -> None:
    assert in_words([problem(3, "value"), problem(4, "dose"), problem(9, "value")]) == (
        "2 times value (line 3, 9), dose (line 4)"
    )
    assert in_words([]) == ""


def test_files_are_named_where_there_are_several() -> None:
    found = in_words([problem(3, "value"), problem(3, "value", "b.csv")])
    assert found == "2 times value (a.csv line 3; b.csv line 3)"


def test_what_has_no_line_and_what_are_too_many_are_counted() -> None:
    assert in_words([Problem(of_patient("7"), "why")]) == "event"
    assert in_words([problem(line, "value") for line in range(1, 9)]) == (
        "8 times value (line 1, 2, 3, 4, 5, 6 and 2 more)"
    )
