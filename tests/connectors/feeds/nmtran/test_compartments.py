"""States by number and by name."""

from __future__ import annotations

import pytest

from connectors.feeds.nmtran.compartments import compartment
from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from tests.twin import toys

MODEL = toys.made(
    {"k": "0.1 1/h 0.04", "V": "10 L"},
    {"Depot": "mg: input(toxin) - k*Depot", "a": "mg: k*Depot - k*a", "A": "mg: k*a - k*A"},
    {"plasma": "mg/L: A/V"},
)


def number(cell: str) -> int:
    return compartment(DataRecord(2, [cell], {"CMT": 0}), MODEL)


def test_a_state_goes_by_its_number_or_name_and_none_is_0() -> None:
    cells = ["2", "2.0", "Depot", "DEPOT", "depot", "a", "A", ".", "0", "NA"]
    assert [number(cell) for cell in cells] == [2, 2, 1, 1, 1, 2, 3, 0, 0, 0]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("Gut", "CMT 'Gut' is no state of made; it has Depot, a, A"),
        ("4", "CMT 4: made has states 1 to 3"),
        ("-1", "CMT -1: compartments cannot be switched off"),
        ("1.5", "CMT 1.5 is not a whole number"),
    ],
)
def test_what_is_no_state_is_refused(cell: str, says: str) -> None:
    with pytest.raises(BadRecord, match=says):
        number(cell)
