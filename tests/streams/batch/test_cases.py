"""Recorded files as cases: one order, each event once, and whose model decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.feeds.nmtran.lines.records import NmtranError
from streams.batch.cases import Case, CaseError, EventPlace, Problem, RecordedCases, holds_events, read_cases
from streams.batch.left_out import in_words
from tests.twin import toys
from twin.events import Clock, Enrolment, InputEvent, LabResult, Quantity, decode, encode
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model

START = datetime(2026, 3, 2, tzinfo=UTC)
DOCETAXEL = load_model("docetaxel_ozawa2007")


def clock(hour: int, patient_id: str = "P-1", event_id: str = "") -> Clock:
    time = START + timedelta(hours=hour)
    return Clock(event_id=event_id or f"c{hour}", patient_id=patient_id, time=time, source="test")


def enrolment(model: str, hour: int = 0, **changes: str) -> Enrolment:
    fields = {"event_id": f"e{hour}", "patient_id": "P-1", "source": "test", "model": model} | changes
    return Enrolment.model_validate({**fields, "time": START + timedelta(hours=hour)})


def read(
    folder: Path,
    events: Sequence[InputEvent],
    how: RecordedCases = RecordedCases(),  # noqa: B008 (immutable)
) -> tuple[tuple[Case, ...], list[Problem]]:
    path = folder / "events.ndjson"
    path.write_bytes(b"\n".join(map(encode, events)))
    problems: list[Problem] = []
    return read_cases([path], how, problems.append, lambda _: None, lambda _: None), problems


def recorded(case: Case) -> list[InputEvent]:
    return [decode(one.raw) for one in case.recorded]


def test_cases_come_by_patient_and_their_events_by_time(tmp_path: Path) -> None:
    events = [clock(3), clock(1, "P-2"), clock(2), clock(1)]
    cases, problems = read(tmp_path, events, RecordedCases(DOCETAXEL))
    assert [case.patient_id for case in cases] == ["P-1", "P-2"]
    assert recorded(cases[0]) == [clock(1), clock(2), clock(3)]
    assert cases[0].recorded[0].place == EventPlace(str(tmp_path / "events.ndjson"), 4)
    assert problems == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=8), st.randoms())
def test_the_same_lines_in_any_order_make_the_same_cases(
    tmp_path: Path, said: list[tuple[int, str]], chance: object
) -> None:
    events = [clock(hour, event_id=name) for hour, name in said]
    shuffled = chance.sample(events, len(events))  # type: ignore[attr-defined]
    ((one,), reported), ((other,), again) = (
        read(tmp_path, lines, RecordedCases(DOCETAXEL)) for lines in (events, shuffled)
    )
    assert recorded(one) == recorded(other)
    assert len({event.event_id for event in recorded(one)}) == len(one.recorded)
    distinct = {(event.event_id, event.time) for event in events}
    assert len({*map(repr, recorded(one))}) == len({event.event_id for event in events})
    assert bool(reported) == bool(again) == (len(distinct) > len(one.recorded))


def test_a_repeated_line_is_no_problem_but_other_content_under_one_id_is(tmp_path: Path) -> None:
    events = [clock(1, event_id="x"), clock(1, event_id="x"), clock(0, event_id="x")]
    (case,), problems = read(tmp_path, events, RecordedCases(DOCETAXEL))
    assert recorded(case) == [clock(0, event_id="x")]
    path = str(tmp_path / "events.ndjson")
    reason = f"event_id 'x' has other content at {path}: line 3; give it an id of its own"
    assert problems == [Problem(EventPlace(path, 1), reason), Problem(EventPlace(path, 2), reason)]


def test_the_first_enrolment_decides_and_another_model_is_reported(tmp_path: Path) -> None:
    events = [enrolment("docetaxel_ozawa2007", 0), enrolment("fluorouracil_yamada2025", 5), clock(6)]
    (case,), problems = read(tmp_path, events)
    assert case.model == DOCETAXEL
    assert recorded(case) == [events[0], events[2]]
    (problem,) = problems
    assert (problem.place.line, problem.reason) == (
        2,
        "field 'model': the twin is of 'docetaxel_ozawa2007', this enrolment names 'fluorouracil_yamada2025'",
    )


def test_the_model_asked_for_is_every_patients_and_enrolments_of_another_are_reported(tmp_path: Path) -> None:
    events = [enrolment("fluorouracil_yamada2025", 0), clock(6), clock(6, "P-2")]
    cases, problems = read(tmp_path, events, RecordedCases(DOCETAXEL))
    assert [case.model for case in cases] == [DOCETAXEL, DOCETAXEL]
    assert recorded(cases[0]) == [clock(6)]
    (problem,) = problems
    assert problem.reason.startswith("field 'model': the twin is of 'docetaxel_ozawa2007'")


def test_a_retracted_enrolment_decides_nothing(tmp_path: Path) -> None:
    gone = enrolment("fluorouracil_yamada2025", 0, status="retracted", replaces="e9")
    (case,), problems = read(tmp_path, [gone, enrolment("docetaxel_ozawa2007", 1)])
    assert case.model == DOCETAXEL
    assert problems == []


def test_an_enrolment_cannot_make_us_read_a_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(DOCETAXEL.text)
    cases, problems = read(tmp_path, [enrolment(str(mine)[-64:])])
    assert cases == ()
    assert "an enrolment names a model of the library" in problems[0].reason
    assert "no usable enrolment" in problems[1].reason


def test_a_patient_may_be_spread_over_files_of_both_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ID,TIME,DV,DVID\n7,24,4.2,2\n")
    count = LabResult(
        event_id="late", patient_id="7", time=datetime(2000, 1, 3, tzinfo=UTC), source="lab", analyte="ANC",
        value=Quantity(value=3.9, unit="10*9/L"),
    )  # fmt: skip
    (tmp_path / "b.ndjson").write_bytes(encode(count))
    files = [tmp_path / "b.ndjson", tmp_path / "a.csv"]
    with pytest.raises(NmtranError, match=r"b\.ndjson and .*a\.csv both have ID 7; say --join"):
        read_cases(files, RecordedCases(DOCETAXEL), pytest.fail, lambda _: None, lambda _: None)
    joined = RecordedCases(DOCETAXEL, same_ids="join")
    (case,) = read_cases(files, joined, pytest.fail, lambda _: None, lambda _: None)
    assert [event.kind for event in recorded(case)] == ["enrolment", "lab_result", "follow_up_begun", "lab_result"]
    assert [one.place.line for one in case.recorded] == [None, 2, 2, 1]


def test_records_need_a_model(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ID,TIME,DV\n7,24,4.2\n")
    with pytest.raises(CaseError, match=r"a\.csv is an NM-TRAN file: name the model"):
        read_cases([tmp_path / "a.csv"], RecordedCases(), pytest.fail, pytest.fail, lambda _: None)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.ndjson", b"ID,TIME", True),
        ("a.JSONL", b"", True),
        ("a.csv", b"{", False),
        ("a.txt", b"\xef\xbb\xbf \n {", True),
        ("a.txt", b"ID,TIME,DV", False),
        ("a", b"", False),
    ],
)
def test_the_suffix_tells_what_a_file_holds_and_else_its_first_character(
    name: str, content: bytes, expected: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert holds_events(tmp_path / name) is expected


def test_doses_that_do_nothing_in_the_model_are_told(tmp_path: Path) -> None:
    idle = toys.BOLUS.replace("input(toxin) - ", "-")
    assert idle != toys.BOLUS
    (tmp_path / "a.csv").write_text("ID,TIME,AMT,DV\n1,0,100,.\n1,2,.,3\n2,0,.,1\n")
    for text, told in ((idle, True), (toys.BOLUS, False)):
        notes: list[str] = []
        how = RecordedCases(parse_model(text, "toy.toml"))
        read_cases([tmp_path / "a.csv"], how, lambda _: None, notes.append, lambda _: None)
        words = "doses of toxin in 1 of 2 patients do nothing in "
        assert any(words in note and "write input(toxin)" in note for note in notes) is told, notes


def test_what_a_record_lost_stays_with_its_patient_and_its_notes_say_what_stands_at_its_reference(
    tmp_path: Path,
) -> None:
    lines = [
        "ID,TIME,AMT,DV,DVID,BSA,WEIGHT",
        "7,0,96,3,.,1.7,70",
        "7,24,.,much,2,.,70",
        "8,24,.,4.2,2,.,80",
        "x y,1,1,.,.,.,.",
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    problems: list[Problem] = []
    notes: list[str] = []
    cases = read_cases([tmp_path / "a.csv"], RecordedCases(DOCETAXEL), problems.append, notes.append, lambda _: None)
    assert [problem.place.line for problem in problems] == [3, 5]
    assert [(case.patient_id, in_words(case.problems)) for case in cases] == [
        ("7", "2 times value (line 3, 2)"),
        ("8", ""),
    ]
    (unread,) = (note for note in notes if "not read" in note)
    assert unread.endswith("columns not read: WEIGHT; covariates without a column: ANC0, AAG (a column map names it)")
    assert notes[-2] == "no dose was read of 1 of 2 patients (8): they are taken as given nothing"
    assert notes[-1] == (
        "covariates of docetaxel_ozawa2007 that no record says stand at their reference: "
        "ANC0, 4 10*9/L, in 2 of 2 patients; AAG, 0.94 g/L, in 2 of 2 patients; BSA, 1.6 m2, in 1 of 2 patients (8)"
    )
