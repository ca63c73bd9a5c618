"""Further doses: what cancels them, and how many a file may make."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.feeds.nmtran.additional import MOST_WRITTEN_OUT, Allowance
from connectors.feeds.nmtran.lines.records import DataRecord, NmtranError
from connectors.feeds.nmtran.reader import NmtranEvents, read_nmtran
from connectors.feeds.nmtran.times import ORIGIN
from twin.events import DoseGiven
from twin.modelfile.library import load_model

MODEL = load_model("docetaxel_ozawa2007")
HEADER = "ID,TIME,EVID,AMT,ADDL,II,SS"


def read(*rows: str) -> NmtranEvents:
    return read_nmtran([HEADER, *rows], MODEL)


def given_at(reading: NmtranEvents) -> list[tuple[float, float]]:
    doses = [event for event in reading.events if isinstance(event, DoseGiven)]
    return [((dose.time - ORIGIN) / timedelta(hours=1), dose.amount.value) for dose in doses]


@pytest.mark.parametrize(
    ("row", "own", "by"),
    [
        ("1,30,3,.,.,.,.", [], "EVID 3"),
        ("1,30,4,50,.,.,.", [(30.0, 50.0)], "EVID 4"),
        ("1,30,1,50,1,24,1", [(30.0, 50.0), (54.0, 50.0)], "the steady state"),
    ],
)
def test_where_all_states_are_set_anew_further_doses_of_before_are_cancelled(
    row: str, own: list[tuple[float, float]], by: str
) -> None:
    reading = read("1,0,1,100,4,12,.", row)
    assert given_at(reading) == [(0, 100), (12, 100), (24, 100), *own]
    assert reading.bad_lines == ()
    assert reading.notes == (f"line 2: 2 doses of ADDL still to come were cancelled by {by} at line 3",)


def test_a_further_dose_of_the_very_instant_is_cancelled_and_a_line_of_its_own_is_not() -> None:
    reading = read("1,0,1,100,2,12,.", "1,12,3,.,.,.,.", "1,24,1,70,.,.,.")
    assert given_at(reading) == [(0, 100), (24, 70)]


def test_a_reset_that_is_refused_cancels_nothing_nor_does_another_patients() -> None:
    reading = read("1,0,1,100,2,12,.", "1,6,4,.,.,.,.", "2,6,3,.,.,.,.")
    assert given_at(reading) == [(0, 100), (12, 100), (24, 100)]
    assert reading.notes == ()


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["dose", "reset"])), min_size=1, max_size=8))
def test_what_is_given_is_what_was_ordered_since_the_last_reset(records: list[tuple[int, str]]) -> None:
    records.sort()
    rows = [f"1,{at},1,10,5,12,." if what == "dose" else f"1,{at},3,.,.,.,." for at, what in records]
    wanted = []
    for i, (at, what) in enumerate(records):
        until = next((later for later, kind in records[i + 1 :] if kind == "reset"), 10_000)
        if what == "dose":
            wanted += [at + 12 * n for n in range(6) if n == 0 or at + 12 * n < until]
    if len(set(records)) == len(records) and len({at for at, _ in records}) == len(records):
        assert sorted(at for at, _ in given_at(read(*rows))) == sorted(wanted)


@pytest.mark.slow
def test_few_lines_cannot_make_a_million_doses() -> None:
    with pytest.raises(NmtranError, match="line 4: with ADDL 9000 the 3 records make more than 20000 doses; mend ADDL"):
        read(*(f"{patient},0,1,100,9000,1,." for patient in (1, 2, 3)))


def test_more_records_may_make_more() -> None:
    record = DataRecord(2, [], {})
    Allowance(1000).take(365 * 1000, record)
    with pytest.raises(NmtranError):
        Allowance(10).take(MOST_WRITTEN_OUT + 1, record)
