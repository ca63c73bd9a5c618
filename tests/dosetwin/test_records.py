"""Whatever a data set comes as, it is read the same; what cannot be used is said, with column, value and mend."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import dosetwin
from connectors.feeds.nmtran.several_files import SameIds
from dosetwin.records import processes, read_records
from tests.dosetwin.small import FRAME, MODEL
from twin.events import encode


def test_frames_files_and_events_of_one_record_are_the_same_cases(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "records.csv", index=False)
    first, _ = read_records(FRAME, MODEL, None, None)
    events = [event for told in dosetwin.read_nmtran(FRAME, MODEL).values() for event in told]
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(map(encode, events)))
    several = [tmp_path / "events.ndjson", str(tmp_path / "records.csv")]
    for records in (pl.from_pandas(FRAME), tmp_path / "records.csv", str(tmp_path / "records.csv"), events, several):
        same_ids: SameIds = "join" if records is several else "refuse"
        cases, _ = read_records(records, MODEL, None, None, same=same_ids)
        assert [case.patient_id for case in cases] == [case.patient_id for case in first]
        for case, same in zip(cases, first, strict=True):
            assert [one.raw for one in case.recorded] == [one.raw for one in same.recorded]


def test_one_id_in_two_files_is_what_the_arguments_say(tmp_path: Path) -> None:
    files = [tmp_path / "first.csv", tmp_path / "second.csv"]
    FRAME.to_csv(files[0], index=False)
    FRAME.assign(DV=FRAME["DV"] * 1.01).to_csv(files[1], index=False)
    with pytest.raises(ValueError, match=r"first\.csv and .*second\.csv both have ID 9, 10;"):
        dosetwin.read_nmtran(files, MODEL)
    apart = dosetwin.read_nmtran(files, MODEL, prefix_ids=True)
    assert sorted(apart) == ["first-10", "first-9", "second-10", "second-9"]
    joined = dosetwin.read_nmtran(files, MODEL, join=True)
    kinds = [event.kind for event in joined["9"]]
    alone = [event.kind for event in apart["first-9"]]
    assert list(joined) == ["9", "10"]
    assert kinds.count("dose_given") == alone.count("dose_given")
    assert kinds.count("drug_level") == 2 * alone.count("drug_level") > 0
    assert list(dosetwin.estimate(files, MODEL, join=True, jobs=0).individuals["ID"]) == [9, 10]


def test_columns_may_have_other_names() -> None:
    renamed = FRAME.rename(columns={"TIME": "HOURS", "DV": "LEVEL"})
    found = dosetwin.read_nmtran(renamed, MODEL, columns={"TIME": "HOURS", "DV": "LEVEL"})
    assert found == dosetwin.read_nmtran(FRAME, MODEL)


def test_a_time_of_dates_is_understood() -> None:
    dated = FRAME.assign(TIME=pd.Timestamp("2026-03-01 08:00", tz="UTC") + pd.to_timedelta(FRAME["TIME"], unit="h"))
    told = dosetwin.read_nmtran(dated, MODEL)["9"]
    assert told[0].time == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert len(told) == len(dosetwin.read_nmtran(FRAME, MODEL)["9"])


def test_a_row_that_cannot_be_used_is_left_out_with_its_number_and_said() -> None:
    frame = FRAME.astype({"DV": object})
    frame.loc[2, "DV"] = "much"
    with pytest.warns(dosetwin.LeftOutWarning, match="data frame: row 2: DV 'much' is not a finite number"):
        found = dosetwin.read_nmtran(frame, MODEL)
    assert len(found["9"]) == len(dosetwin.read_nmtran(FRAME, MODEL)["9"]) - 1


ENTRIES = [
    lambda records, **how: dosetwin.read_nmtran(records, MODEL, **how),
    lambda records, **how: dosetwin.estimate(records, MODEL, jobs=0, **how),
    lambda records, **how: dosetwin.replay(records, MODEL, jobs=0, **how),
    lambda records, **how: dosetwin.validate(MODEL, records, jobs=0, **how),
    lambda records, **how: dosetwin.simulate(MODEL, records, jobs=0, **how),
]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    ("records", "how", "error", "says"),
    [
        (FRAME.drop(columns="TIME"), {}, ValueError, "no column TIME; say which one it is by the column map"),
        (FRAME, {"columns": {"DV": "LEVEL"}}, ValueError, "DV=LEVEL, but there is no column LEVEL; there are ID, TIME"),
        (FRAME, {"columns": {"BSA": "WT"}}, ValueError, "BSA is no data item and no covariate of the model"),
        (FRAME, {"output": "hair"}, ValueError, "output 'hair' is not in toy_absorption; it has"),
        (FRAME.iloc[:0], {}, ValueError, "nothing in the data can be used; it holds no record"),
        (FRAME.assign(EVID=9), {}, ValueError, "nothing in the data can be used: data frame: row 0: EVID 9 is none of"),
        ("nowhere.csv", {}, ValueError, "nowhere.csv: there is no such file; name a file"),
        (5, {}, TypeError, "a int is no data set; give a data frame, a path or events"),
        ([5], {}, TypeError, "number 0 is 5, no event; give events of dosetwin.events"),
    ],
)
def test_data_that_cannot_be_used_are_refused_by_every_function(
    entry: Any, records: object, how: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as raised:
        entry(records, **how)
    assert says in str(raised.value)


@pytest.mark.parametrize("entry", [dosetwin.estimate, dosetwin.replay])
def test_a_model_that_there_is_not_is_refused(entry: Any) -> None:
    with pytest.raises(dosetwin.ModelError, match="no such model; did you mean 'docetaxel_ozawa2007'"):
        entry(FRAME, "docetaxel_osawa2007")
    with pytest.raises(TypeError, match="model: 7 is no model; give one of load_model"):
        entry(FRAME, 7)


def test_work_is_spread_over_no_more_processes_than_there_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_CPU_COUNT", "4")
    assert (processes(None, 1), processes(8, 3), processes(0, 5), processes(None, 1000)) == (0, 3, 0, 4)
    with pytest.raises(ValueError, match="jobs: -1 is negative; give a number of processes, 0 for none"):
        processes(-1, 2)
