"""The rows of a data set as doses and values."""

from __future__ import annotations

from collections import Counter

import pytest

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.nmtran.lines.records import NmtranError, read_records
from streams.batch.nca.rows import COLLECTIONS, Dose, HowGiven, Sample, Subject, rows_of, since

ORAL = HowGiven("extravascular")


def read(
    text: str, how: HowGiven = ORAL, *, hours: bool = True, urine: bool = False
) -> tuple[dict[str, Subject], list[BadLine]]:
    bad: list[BadLine] = []
    notes: Counter[str] = Counter()
    records = read_records(text.splitlines(), COLLECTIONS if urine else (), {}, bad, notes)
    return rows_of(records, how, bad, notes, hours=hours, urine=urine), bad


def test_doses_and_values_are_told_apart_with_and_without_evid() -> None:
    for text in ("ID,TIME,AMT,DV\n1,0,100,.\n1,2,.,5\n", "ID,TIME,EVID,AMT,DV\n1,0,1,100,0\n1,2,0,0,5\n"):
        found, bad = read(text)
        assert not bad
        assert found["1"].doses == [Dose(2, 0.0, 100.0, "extravascular", 0.0, None)]
        assert found["1"].samples == [Sample(3, 2.0, 5.0, below=False)]


def test_rate_and_duration_make_an_infusion() -> None:
    found, _ = read("ID,TIME,AMT,RATE,DUR,DV\n1,0,100,50,.,.\n1,24,100,.,3,.\n", HowGiven())
    assert [(dose.route, dose.duration) for dose in found["1"].doses] == [("infusion", 2.0), ("infusion", 3.0)]


def test_steady_state_has_an_interval_and_further_doses_their_times() -> None:
    found, _ = read("ID,TIME,AMT,II,SS,ADDL,DV\n1,0,100,12,1,2,.\n")
    assert [(dose.time, dose.tau) for dose in found["1"].doses] == [(0, 12), (12, 12), (24, 12)]
    assert read("ID,TIME,AMT,DV\n1,0,100,.\n", HowGiven("bolus", tau=8.0))[0]["1"].doses[0].tau == 8.0


def test_limits_of_quantification_are_heard_from_columns_and_from_the_option() -> None:
    found, _ = read("ID,TIME,DV,CENS,BLQ\n1,1,5,0,0\n1,2,5,1,0\n1,3,5,0,1\n1,4,.,1,0\n1,5,0.1,0,0\n1,6,.,0,0\n",
                    HowGiven("bolus", lower_limit=0.2))  # fmt: skip
    assert [sample.below for sample in found["1"].samples] == [False, True, True, True, True]
    assert [sample.time for sample in found["1"].samples] == [1, 2, 3, 4, 5], "nothing was measured at 6"
    assert read("ID,TIME,DV,LLOQ\n1,1,5,6\n")[0]["1"].samples[0].below


def test_clock_times_are_read_where_time_is_in_hours() -> None:
    text = "ID,DATE,TIME,AMT,DV\n1,1/2/2026,8:00,100,.\n1,1/3/2026,9:30,.,4\n"
    found, _ = read(text)
    assert found["1"].samples[0].time - found["1"].doses[0].time == 25.5
    with pytest.raises(NmtranError, match="the unit of time is the hour then"):
        read(text, hours=False)


def test_collections_have_an_end_and_a_volume() -> None:
    found, bad = read("ID,TIME,END,VOLUME,DV,AMT\n1,0,.,.,.,100\n1,0,4,200,5,.\n1,4,8,.,5,.\n", urine=True)
    assert (found["1"].collections[0].end, found["1"].collections[0].volume) == (4.0, 200.0)
    assert [line.reason for line in bad] == ["a collection of urine needs END and a VOLUME that is not negative"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,0,100,.,.,.,.,1", "the dose of 100 has no RATE or DUR: say how it was given"),
        ("1,0,0,.,.,.,.,1", "AMT 0: a dose has a positive amount"),
        ("1,0,100,-2,.,.,.,1", "how long the infusion lasted has to be known"),
        ("1,0,100,10,.,1,.,1", "SS without an interval: give II"),
        ("1,0,100,10,.,.,3,1", "ADDL 3 without an interval: give II"),
        ("1,0,.,.,.,.,.,7", "EVID 7: it is one of 0 to 4"),
        (".,0,100,10,.,.,.,1", "ID is missing"),
        ("1,.,100,10,.,.,.,1", "TIME is missing"),
        ("1,0,ten,10,.,.,.,1", "AMT 'ten' is not a finite number"),
    ],
)
def test_a_row_that_cannot_be_used_is_said_and_the_others_go_on(rows: str, said: str) -> None:
    found, bad = read(f"ID,TIME,AMT,RATE,II,SS,ADDL,EVID\n{rows}\n2,0,10,5,.,.,.,1\n", HowGiven())
    assert len(bad) == 1
    assert said in bad[0].reason
    assert bad[0].line == 2
    assert len(found["2"].doses) == 1


def test_one_dose_for_all_is_given_where_no_row_tells_any() -> None:
    found, _ = read("ID,TIME,DV\n1,1,5\n2,1,4\n", HowGiven("bolus", 320.0))
    assert {patient: subject.doses[0].amount for patient, subject in found.items()} == {"1": 320.0, "2": 320.0}
    assert read("ID,TIME,DV\n1,1,5\n", HowGiven(None, 320.0, 2.0))[0]["1"].doses[0].route == "infusion"
    with pytest.raises(NmtranError, match="say how it was given, or how long it lasted"):
        read("ID,TIME,DV\n1,1,5\n", HowGiven(None, 320.0))
    with pytest.raises(NmtranError, match="patient 1 has doses of their own"):
        read("ID,TIME,AMT,DV\n1,0,3,.\n", HowGiven("bolus", 320.0))


def test_a_value_at_the_time_of_a_dose_closes_the_interval_before_it() -> None:
    text = "ID,TIME,AMT,DV\n1,0,100,.\n1,6,.,9\n1,12,.,3\n1,12,100,.\n1,18,.,10\n"
    for how, begins in (("extravascular", [0.0, 6.0]), ("bolus", [6.0])):
        subject = read(text, HowGiven(how))[0]["1"]  # type: ignore[arg-type]
        first, second = subject.doses
        assert [sample.time for sample in since(first, second.time, subject.samples)] == [6.0, 12.0]
        assert [sample.time for sample in since(second, None, subject.samples)] == begins
