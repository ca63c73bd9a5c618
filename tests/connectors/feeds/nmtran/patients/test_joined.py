"""What two files say alike of a patient counts once; doses that contradict each other are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from connectors.feeds.nmtran.patients.joined import Joined
from tests.twin.bedside import dose, level


def line(file: str, number: int) -> DataRecord:
    found = DataRecord(number, [], {})
    found.file = Path(file)
    return found


def test_a_fact_counts_as_often_as_in_the_file_that_has_it_most_often() -> None:
    joined = Joined()
    twice = [level(1, 2.0, event_id="a", sequence=1), level(1, 2.0, event_id="b", sequence=2)]
    assert joined.new(line("a", 2), twice) == twice
    thrice = [level(1, 2.0, event_id=name, sequence=number) for number, name in enumerate("cde")]
    assert joined.new(line("b", 2), thrice) == thrice[2:]
    assert joined.repeated == 2


def test_values_that_differ_are_all_taken_and_doses_that_differ_are_refused() -> None:
    joined = Joined()
    assert len(joined.new(line("a", 2), [level(1, 2.0), dose(1, 60.0)])) == 2
    assert len(joined.new(line("b", 3), [level(1, 2.5), dose(1, 60.0), dose(2, 60.0)])) == 2
    with pytest.raises(BadRecord, match="a dose of 90 mg, and 60 mg at the same time in line 2 of a; correct one"):
        joined.new(line("b", 4), [dose(1, 90.0)])
    assert len(joined.new(line("a", 5), [dose(1, 30.0)])) == 1, "within a file every record counts"
