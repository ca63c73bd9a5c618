"""NM-TRAN files: what each record says, what is refused, and two real studies."""

from __future__ import annotations

import csv
import math
import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.feeds.nmtran.lines.records import NmtranError
from connectors.feeds.nmtran.reader import NmtranEvents, parse_columns, read_nmtran
from connectors.feeds.nmtran.times import ORIGIN
from tests.places import REFERENCE
from tests.twin import toys
from twin.events import (
    Covariate,
    DoseGiven,
    DrugLevel,
    Enrolment,
    FollowUpBegun,
    InputEvent,
    LabResult,
    Quantity,
    decode,
    encode,
)
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model

DOCETAXEL = load_model("docetaxel_ozawa2007")
MERCAPTOPURINE = load_model("mercaptopurine_jost2020")
RECORDS = REFERENCE
ALL_6MP, NIMOTUZUMAB = RECORDS / "all_6mp_anc.csv", RECORDS / "nimotuzumab.csv"

HEADER = "ID,TIME,EVID,AMT,RATE,DV,MDV,CMT,DVID,II,ADDL,SS,BSA"


def read(*rows: str, header: str = HEADER, model: object = DOCETAXEL, **options: object) -> NmtranEvents:
    return read_nmtran([header, *rows], model, **options)  # type: ignore[arg-type]


def row(**cells: object) -> str:
    """A record under `HEADER`; what is not named is missing."""
    return ",".join(str({"ID": 1, "TIME": 0, **cells}.get(name, ".")) for name in HEADER.split(","))


def facts(reading: NmtranEvents) -> list[InputEvent]:
    return [event for event in reading.events if not isinstance(event, Enrolment | FollowUpBegun)]


def only_dose(reading: NmtranEvents) -> DoseGiven:
    assert not reading.bad_lines
    (event,) = facts(reading)
    assert isinstance(event, DoseGiven)
    return event


# --- what records say ------------------------------------------------------------------------------------------------


def test_time_counts_in_the_models_unit_from_the_origin() -> None:
    hours = only_dose(read(row(TIME=36, EVID=1, AMT=96)))
    days = only_dose(read(row(TIME=1.5, EVID=1, AMT=10), model=MERCAPTOPURINE, header=HEADER))
    assert hours.time == days.time == ORIGIN + timedelta(hours=36)


def test_a_dose_with_a_rate_is_an_infusion_of_amount_over_rate() -> None:
    dose = only_dose(read(row(EVID=1, AMT=96, RATE=48)))
    assert (dose.amount.value, dose.amount.unit) == (96.0, "mg")
    assert dose.duration is not None
    assert (dose.duration.value, dose.duration.unit) == (2.0, "h")
    at_once = only_dose(read(row(EVID=1, AMT=96, RATE=0)))
    assert at_once.duration is None


def test_additional_doses_are_written_out() -> None:
    doses = facts(read(row(TIME=12, EVID=1, AMT=5, II=24, ADDL=3)))
    assert [(d.time - ORIGIN) / timedelta(hours=1) for d in doses] == [12, 36, 60, 84]
    assert len({d.event_id for d in doses}) == 4


def test_a_dose_by_mouth_is_one_where_the_models_regimen_is() -> None:
    assert only_dose(read(row(EVID=1, AMT=10), model=MERCAPTOPURINE)).route == "oral"
    assert only_dose(read(row(EVID=1, AMT=96))).route == "iv"


def test_a_dose_goes_to_the_drug_that_enters_the_numbered_state() -> None:
    names = [state.name for state in DOCETAXEL.states]
    assert only_dose(read(row(EVID=1, AMT=96, CMT=names.index("A1") + 1))).drug == "docetaxel"
    assert only_dose(read(row(EVID=1, AMT=8, CMT=names.index("In") + 1))).drug == "dexamethasone"


def test_dv_is_the_output_that_dvid_counts_or_names() -> None:
    reading = read(row(TIME=1, DV=1.5, DVID=1), row(TIME=2, DV=4.0, DVID=2), row(TIME=3, DV=3.0, DVID="ANC"))
    level, first, second = facts(reading)
    assert isinstance(level, DrugLevel)
    assert isinstance(first, LabResult)
    assert isinstance(second, LabResult)
    assert (level.analyte, level.value.unit) == ("docetaxel_plasma", "mg/L")
    assert (first.analyte, first.value.unit) == ("neutrophils", "10*9/L") == (second.analyte, second.value.unit)
    assert reading.notes == ()


@pytest.mark.parametrize("name", ["LNDV", "LOGDV"])
def test_logarithms_are_known_by_either_name(name: str) -> None:
    (level,) = facts(read("1,0,0,0.5,1", header=f"ID,TIME,EVID,{name},DVID"))
    assert isinstance(level, DrugLevel)
    assert level.value is not None
    assert level.value.value == pytest.approx(math.exp(0.5))


def test_a_count_of_zero_is_a_result_and_a_note() -> None:
    reading = read(row(TIME=1, DV=0, DVID=2))
    (count,) = facts(reading)
    assert isinstance(count, LabResult)
    assert count.value.value == 0
    assert reading.notes == ("neutrophils of 0: too few to count, known only to be below 0.1 10*9/L",)


def test_records_of_one_time_keep_the_order_of_their_lines() -> None:
    lines = [
        row(TIME=1, EVID=1, AMT=1),
        row(TIME=1, DV=5, DVID=2),
        row(TIME=1, DV=4, DVID=2),
        row(TIME=2, EVID=1, AMT=1),
    ]
    reading = read(*lines)
    said = [(event.kind, event.sequence, reading.line_of[event.event_id]) for event in facts(reading)]
    assert said == [("dose_given", 1, 2), ("lab_result", 2, 3), ("lab_result", 3, 4), ("dose_given", 1, 5)]
    assert read(row(ID=9, EVID=1, AMT=1), *lines).events[3:] == reading.events


def test_a_value_above_a_steady_state_is_said_to_be_before_it() -> None:
    level, steady = row(DV=0.1, DVID=1), row(EVID=1, AMT=5, II=24, SS=1)
    (note,) = read(level, steady, level).notes
    assert note.startswith("values above a dose with SS 1 of their TIME were taken as drawn before that steady state")
    assert read(steady, level).notes == ()


def test_a_dose_that_addl_adds_comes_before_the_records_of_its_time() -> None:
    doses = facts(read(row(EVID=1, AMT=1, II=24, ADDL=1), row(TIME=24, DV=5, DVID=2)))
    assert [(event.kind, event.sequence) for event in doses] == [
        ("dose_given", 1),
        ("dose_given", 0),
        ("lab_result", 1),
    ]


def test_without_dvid_the_output_asked_for_comes_before_the_state_and_the_state_before_the_first_output() -> None:
    circulating = [state.name for state in DOCETAXEL.states].index("Circ") + 1

    def analyte(record: str, output: str | None = None) -> tuple[str, tuple[str, ...]]:
        reading = read(record, output=output)
        (event,) = facts(reading)
        assert isinstance(event, DrugLevel | LabResult)
        return event.analyte, reading.notes

    assert analyte(row(DV=4, CMT=circulating)) == ("neutrophils", ())
    assert analyte(row(DV=4, CMT=circulating), "docetaxel") == ("docetaxel_plasma", ())
    assert analyte(row(DV=4)) == (
        "docetaxel_plasma",
        ("DV without DVID, CMT or a chosen output was taken as docetaxel_plasma",),
    )
    (only,) = facts(read(row(DV=4), model=MERCAPTOPURINE))
    assert isinstance(only, LabResult)


def test_without_evid_a_record_with_an_amount_is_a_dose() -> None:
    dose, count = facts(read("1,0,50,", "1,24,.,4.1", header="ID,TIME,AMT,DV", output="neutrophils"))
    assert isinstance(dose, DoseGiven)
    assert isinstance(count, LabResult)


def test_mdv_1_and_evid_2_say_nothing_but_covariates() -> None:
    reading = read(row(DV=4, MDV=1, BSA=1.7), row(TIME=5, EVID=2, DV=4, BSA=1.8))
    assert [event.kind for event in facts(reading)] == ["covariate", "covariate"]


def test_a_covariate_is_said_when_it_changes() -> None:
    reading = read(*(row(TIME=t, EVID=2, BSA=bsa) for t, bsa in enumerate([1.7, 1.7, ".", 1.8, 1.8, 1.7])))
    said = [(e.time, e.value.value) for e in facts(reading) if isinstance(e, Covariate)]
    assert said == [(ORIGIN + timedelta(hours=t), v) for t, v in [(0, 1.7), (3, 1.8), (5, 1.7)]]


def test_a_covariate_that_is_carried_backward_is_said_at_every_record() -> None:
    backward = parse_model(
        toys.ABSORPTION.replace('unit = "kg"', 'unit = "kg"\ncarry = "backward"'), "toy_absorption.toml"
    )
    rows = ["1,0,2,60", "1,5,2,60", "1,9,2,80", "1,9,2,70"]
    reading = read_nmtran(["ID,TIME,EVID,WT,DV", *(f"{text}," for text in rows)], backward, output="cells")
    told = [event for event in facts(reading) if isinstance(event, Covariate)]
    hour, instant = timedelta(hours=1), timedelta(milliseconds=1)
    said = [(event.time - ORIGIN, event.value and event.value.value) for event in told]
    assert said == [(0 * hour, 60), (5 * hour, 60), (9 * hour, 80), (9 * hour + instant, 70)]
    assert not reading.notes


def test_records_of_one_time_each_go_by_their_own_values_where_these_are_carried_backward() -> None:
    backward = parse_model(
        toys.ABSORPTION.replace('unit = "kg"', 'unit = "kg"\ncarry = "backward"'), "toy_absorption.toml"
    )
    header = "ID,TIME,EVID,AMT,ADDL,II,WT,DV"
    rows = ["1,0,0,,,,60,4.1", "1,0,0,,,,80,4.2", "1,0,1,100,1,24,80,", "1,24,0,,,,80,4.3"]
    told = facts(read_nmtran([header, *rows], backward, output="cells"))
    at = [((e.time - ORIGIN) / timedelta(milliseconds=1), e.kind) for e in told if e.kind != "covariate"]
    day = 24 * 3_600_000
    # What ADDL adds comes at its own TIME, before the record there.
    assert at == [(0, "lab_result"), (1, "lab_result"), (1, "dose_given"), (day, "dose_given"), (day, "lab_result")]


def test_two_values_of_a_covariate_at_one_time_are_said_in_the_order_of_lines_and_noted() -> None:
    reading = read(row(EVID=2, BSA=1.9), row(EVID=1, AMT=96, BSA=1.7))
    told = [
        (event.value and event.value.value, event.sequence) for event in facts(reading) if event.kind == "covariate"
    ]
    assert told == [(1.9, 1), (1.7, 2)]
    rule = "the last of them holds from then on, in the order of lines"
    assert reading.notes == (f"BSA has several values at one TIME of a patient: {rule}",)
    assert read(row(EVID=2, BSA=1.7), row(EVID=1, AMT=96, BSA=1.7)).notes == ()


def test_a_covariate_is_negative_where_its_range_in_the_model_is() -> None:
    wide = parse_model(toys.ABSORPTION.replace('unit = "kg"', 'unit = "kg"\nlow = -5'), "toy_absorption.toml")
    reading = read_nmtran(["ID,TIME,EVID,WT,DV", "1,0,2,-2,"], wide, output="cells")
    (said,) = (event for event in facts(reading) if isinstance(event, Covariate))
    assert said.value is not None
    assert said.value.value == -2
    plain = read_nmtran(["ID,TIME,EVID,WT,DV", "1,0,2,-2,"], parse_model(toys.ABSORPTION, "toy.toml"), output="cells")
    assert [bad.reason for bad in plain.bad_lines] == [
        "WT -2 is negative, and [covariates.WT] has no 'low' below 0; correct it, or say there how low it can be"
    ]


def test_a_level_may_be_named() -> None:
    levels = 'unit = "kg"\nlevels = { light = 60, usual = 70 }'
    named = parse_model(toys.ABSORPTION.replace('unit = "kg"', levels), "toy_absorption.toml")
    reading = read_nmtran(["ID,TIME,EVID,WT,DV", "1,0,2,light,", "1,1,2,heavy,"], named, output="cells")
    (said,) = (event for event in facts(reading) if isinstance(event, Covariate))
    assert said.value is not None
    assert said.value.value == 60
    assert [str(bad) for bad in reading.bad_lines] == [
        "line 3: WT 'heavy' is not a finite number, and none of the levels that the model has; write one of"
        " 60 or 'light', 70 or 'usual'"
    ]


def test_each_patient_begins_with_the_enrolment_at_the_first_fact() -> None:
    reading = read(row(ID=2, TIME=4, EVID=1, AMT=1), row(ID=1, TIME=5, EVID=1, AMT=1), row(ID=2, TIME=9, EVID=1, AMT=1))
    assert [(e.patient_id, e.kind) for e in reading.events] == [
        ("2", "enrolment"),
        ("2", "follow_up_begun"),
        ("2", "dose_given"),
        ("1", "enrolment"),
        ("1", "follow_up_begun"),
        ("1", "dose_given"),
        ("2", "dose_given"),
    ]
    enrolments = [event for event in reading.events if isinstance(event, Enrolment)]
    assert {event.model for event in enrolments} == {"docetaxel_ozawa2007"}
    assert list(reading.by_patient()) == ["2", "1"]
    assert "apart" in reading.notes[0]


@pytest.mark.parametrize("first", [{"DV": 4, "MDV": 1}, {"EVID": 2}, {"EVID": 3}, {"BSA": 1.7, "EVID": 2}, {"MDV": 1}])
def test_the_follow_up_begins_with_the_first_record_whatever_it_says(first: dict[str, object]) -> None:
    reading = read(row(TIME=1, **first), row(TIME=9, DV=4, DVID=2))
    begun = [event for event in reading.events if isinstance(event, FollowUpBegun | Enrolment)]
    assert {event.time for event in begun} == {ORIGIN + timedelta(hours=1)}
    assert [reading.line_of.get(event.event_id) for event in begun] == [None, 2]
    assert read(row(TIME=1, **first)).events == () or first.keys() & {"BSA"} or first.get("EVID") == 3


def test_a_record_that_is_refused_begins_nothing() -> None:
    reading = read(row(TIME=1, EVID=1, AMT="x"), row(TIME=9, DV=4, DVID=2))
    (begun,) = (event for event in reading.events if isinstance(event, FollowUpBegun))
    assert begun.time == ORIGIN + timedelta(hours=9)


def test_comments_empty_lines_and_a_byte_order_mark_are_passed_over() -> None:
    lines = ["# a study", "", "\ufeffID,TIME,AMT", "C,left out by hand", "#1,0,10", "1,0,10"]
    reading = read_nmtran(lines, DOCETAXEL)
    assert len(facts(reading)) == 1
    assert reading.bad_lines == ()
    assert reading.notes == ("lines with a lone C in the first cell were passed over as comments",)


def test_a_lone_c_is_a_comment_where_its_column_says_so_and_else_a_patient() -> None:
    rows = ["C,0,10", "C1,0,10", "CHUR,0,10"]
    reading = read_nmtran(["ID,TIME,AMT", *rows], DOCETAXEL)
    assert [event.patient_id for event in facts(reading)] == ["C", "C1", "CHUR"]
    assert reading.notes == ("lines with ID C were read as records of a patient C; begin a comment with #",)
    marked = read_nmtran(["C,ID,TIME,AMT", "C,1,0,10", ".,2,0,10", "Chur,3,0,10"], DOCETAXEL)
    assert [event.patient_id for event in facts(marked)] == ["2", "3"]
    assert read_nmtran(["ID,TIME,AMT", "C is no comment,0,10"], DOCETAXEL).bad_lines


def test_numbers_may_be_written_as_fortran_does() -> None:
    assert only_dose(read(row(EVID=1, AMT="9.6D1"))).amount.value == 96.0
    assert only_dose(read(row(ID="1.0", EVID=1, AMT="+9.6e1"))).patient_id == "1"


def test_columns_have_other_names_where_the_map_says_so() -> None:
    header = "SUBJECT,DAY,DOSE,ANC,weight,Bsa"
    reading = read_nmtran(
        [header, "7,0.5,,4.2,60,1.5"],
        DOCETAXEL,
        parse_columns("ID=SUBJECT,TIME=DAY,AMT=DOSE,DV=ANC"),
        output="neutrophils",
    )
    covariate, count = facts(reading)
    assert isinstance(covariate, Covariate)
    assert isinstance(count, LabResult)
    assert (covariate.name, covariate.value.value, count.value.value) == ("BSA", 1.5, 4.2)
    lacking = "columns not read: weight; covariates without a column: ANC0, AAG (a column map names it)"
    assert lacking in reading.notes


def test_a_mapped_column_wins_over_one_that_has_the_name() -> None:
    reading = read_nmtran(["ID,TIME,HOURS,AMT", "1,99,3,10"], DOCETAXEL, {"TIME": "HOURS"})
    assert reading.events[0].time == ORIGIN + timedelta(hours=3)


def test_observations_without_a_value_are_passed_over_and_noted() -> None:
    reading = read(row(EVID=1, AMT=5), row(TIME=1), row(TIME=2))
    assert len(facts(reading)) == 1
    assert reading.notes == ("observations without DV were passed over (2x)",)


def test_ids_tell_facts_apart_and_do_not_hang_on_the_line() -> None:
    twice = facts(read(row(DV=4, DVID=2), row(DV=4.1, DVID=2)))
    assert len({event.event_id for event in twice}) == 2
    moved = facts(read(row(ID=9, EVID=1, AMT=1), row(DV=4, DVID=2)))
    assert twice[0].event_id == moved[-1].event_id
    corrected = facts(read(row(DV=5, DVID=2)))  # the same fact with another value has to be noticed as such
    assert corrected[0].event_id == twice[0].event_id


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"ID": "."}, "ID is missing"),
        ({"ID": "Jane Doe"}, "ID 'Jane Doe': use letters"),
        ({"ID": "x" * 65}, "at most 64"),
        ({"TIME": "."}, "TIME is missing"),
        ({"TIME": "8:70"}, "TIME '8:70' is no clock time; write it as 14:45"),
        ({"TIME": "nan"}, "TIME 'nan' is not a finite number"),
        ({"TIME": "1e999"}, "TIME '1e999' is not a finite number"),
        ({"TIME": "1_000"}, "TIME '1_000' is not a finite number"),
        ({"TIME": "1e9"}, "more than 100 years"),
        ({"EVID": 5}, "EVID 5 is none of 0"),
        ({"EVID": 0.5}, "EVID 0.5 is not a whole number"),
        ({"EVID": 4}, "AMT of a dose is missing"),
        ({"EVID": 4, "AMT": 10, "DV": 4, "MDV": 0}, "give them a line each"),
        ({"EVID": 1, "AMT": 10, "SS": 1}, "SS 1 needs II"),
        (
            {"EVID": 1, "AMT": 10, "SS": 2, "II": 24},
            r"SS 2 \(a steady state on top of what is there\) is not supported",
        ),
        (
            {"EVID": 1, "AMT": 10, "RATE": -1},
            r"RATE -1 \(modelled rate\) needs a model whose input there has duration=",
        ),
        ({"EVID": 1, "AMT": 10, "RATE": -2}, r"RATE -2 \(modelled duration\) needs a model"),
        ({"EVID": 1, "AMT": 10, "RATE": -7}, "RATE -7 is none of -2, -1, 0 and above"),
        ({"EVID": 1}, "AMT of a dose is missing"),
        ({"EVID": 1, "AMT": 0}, "AMT of a dose is 0; it must be above 0 mg"),
        ({"EVID": 1, "AMT": -5}, "AMT of a dose is -5"),
        ({"EVID": 1, "AMT": "inf"}, "AMT 'inf' is not a finite number"),
        ({"EVID": 1, "AMT": 10, "ADDL": 2}, "ADDL 2 needs II"),
        ({"EVID": 1, "AMT": 10, "ADDL": -1, "II": 24}, "ADDL -1 is outside 0 to 10000"),
        ({"EVID": 1, "AMT": 10, "ADDL": 99999999, "II": 1}, "ADDL 99999999 is outside"),
        ({"EVID": 1, "AMT": 10, "ADDL": 10000, "II": 1000}, "goes more than 100 years"),
        ({"EVID": 1, "AMT": 10, "CMT": 2}, r"CMT 2 \(A2\) takes no dose in docetaxel_ozawa2007"),
        ({"EVID": 1, "AMT": 10, "CMT": 99}, "CMT 99: docetaxel_ozawa2007 has states 1 to"),
        ({"EVID": 1, "AMT": 10, "CMT": -1}, "CMT -1: compartments cannot be switched off"),
        ({"EVID": 2, "CMT": -1}, "CMT -1: compartments cannot be switched off"),
        ({"EVID": 1, "AMT": 10, "DV": 4, "MDV": 0}, "give them a line each"),
        ({"AMT": 10, "EVID": 0, "DV": 4}, r"an observation \(EVID 0\) with AMT"),
        ({"DV": "high"}, "DV 'high' is not a finite number"),
        ({"DV": "NaN"}, "DV 'NaN' is not a finite number"),
        ({"DV": -1, "DVID": 1}, "DV -1 cannot be docetaxel_plasma: it is negative"),
        ({"DV": 4, "DVID": 7}, "DVID 7: outputs 1 to 2 are docetaxel_plasma, neutrophils"),
        ({"DV": 4, "DVID": "platelets"}, "DVID 'platelets' is not a finite number"),
        ({"DV": 4, "CMT": 99}, "CMT 99: docetaxel_ozawa2007 has states"),
        ({"DV": 4, "CMT": 2}, r"CMT 2 \(A2\) is read by no output"),
        ({"MDV": 0}, "DV is missing, but MDV 0 says that it was measured"),
        ({"MDV": 3, "DV": 4}, "MDV 3 is neither 0 nor 1"),
        ({"DV": 4, "BSA": -1.7}, "BSA -1.7 is negative"),
        ({"DV": 4, "BSA": "tall"}, "BSA 'tall' is not a finite number"),
    ],
)
def test_a_record_that_cannot_be_used_is_named_and_those_beside_it_are_unharmed(
    cells: dict[str, object], reason: str
) -> None:
    before, after = row(ID=8, EVID=1, AMT=1), row(ID=8, TIME=2, DV=3, DVID=2)
    reading = read(before, row(**cells), after)
    (bad,) = reading.bad_lines
    assert bad.line == 3
    assert re.search(reason, str(bad)), str(bad)
    assert reading.events == read(before, after).events


def test_a_censored_observation_is_a_limit_and_not_a_value() -> None:
    lines = ("1,0,0.5,1", "1,1,9,-1", "1,2,0.7,0")
    below, above, value = facts(read(*lines, header="ID,TIME,DV,CENS", output="docetaxel"))
    assert isinstance(below, DrugLevel)
    assert isinstance(above, DrugLevel)
    assert isinstance(value, DrugLevel)
    assert (below.below_lloq, below.above_uloq, below.value.value) == (True, False, 0.5)
    assert (above.below_lloq, above.above_uloq, above.value.value) == (False, True, 9.0)
    assert (value.below_lloq, value.above_uloq) == (False, False)
    (count,) = facts(read("1,0,0.5,1", header="ID,TIME,DV,CENS", output="neutrophils"))
    assert isinstance(count, LabResult)
    assert count.below_lloq


def test_dates_and_clock_times_are_the_moment_itself() -> None:
    lines = ["ID,DATE,TIME,AMT,DV", "1,3/12/2024,8:30,96,", "1,3/13/2024,8:30,,0.2"]
    reading = read_nmtran(lines, DOCETAXEL, output="docetaxel")
    dose, level = facts(reading)
    assert (dose.time.isoformat(), level.time - dose.time) == ("2024-03-12T08:30:00+00:00", timedelta(hours=24))
    assert reading.dated
    assert not read(row(TIME=1, DV=4, DVID=2)).dated


def test_a_repeated_header_is_passed_over() -> None:
    reading = read(row(TIME=1, DV=4, DVID=2), HEADER, row(TIME=2, DV=4, DVID=2))
    assert (len(facts(reading)), reading.bad_lines) == (2, ())
    assert reading.notes == ("repeated headers were passed over",)


def test_a_steady_state_dose_says_so_and_its_further_doses_do_not() -> None:
    doses = [d for d in facts(read(row(TIME=6, EVID=1, AMT=5, SS=1, II=12, ADDL=2))) if isinstance(d, DoseGiven)]
    assert [dose.steady_every and dose.steady_every.value for dose in doses] == [12.0, None, None]
    in_days = read(row(EVID=1, AMT=10, SS=1, II=1), model=MERCAPTOPURINE, header=HEADER)
    assert only_dose(in_days).steady_every == Quantity(value=24, unit="h")


def test_a_reset_is_an_event_and_one_with_a_dose_is_two() -> None:
    reading = read(row(EVID=1, AMT=1), row(TIME=1, EVID=3), row(TIME=2, EVID=4, AMT=3), row(TIME=5, DV=4, DVID=2))
    assert reading.bad_lines == ()
    assert [(event.kind, (event.time - ORIGIN) / timedelta(hours=1)) for event in facts(reading)] == [
        ("dose_given", 0),
        ("state_reset", 1),
        ("state_reset", 2),
        ("dose_given", 2),
        ("lab_result", 5),
    ]


def test_time_that_begins_anew_with_a_reset_goes_on_behind_what_was_before() -> None:
    for resets in (
        [row(TIME=24, EVID=3), row(TIME=2, DV=4, DVID=2)],
        [row(TIME=24, EVID=1, AMT=1), row(TIME=2, EVID=4, AMT=1)],
    ):
        reading = read(*resets, row(TIME=25, DV=4, DVID=2), row(ID=2, TIME=2, DV=4, DVID=2))
        assert reading.bad_lines == ()
        hours = {(event.patient_id, (event.time - ORIGIN) / timedelta(hours=1)) for event in facts(reading)}
        assert hours == {("1", 24), ("1", 25), ("1", 48), ("2", 2)}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            ("ID,TIME,DV", "1,5,4", "1,3,4"),
            "TIME 3 is before 5 at line 2; sort the patient's records by TIME, or correct",
        ),
        (("ID,TIME,DV", "1,23:00,4", "1,1:30,4"), "TIME 1:30 is before 23:00 at line 2; a clock time of another day"),
        (
            ("ID,DAT2,TIME,DV", "1,2026-1-5,8:00,4", "1,2026-1-4,9:00,4"),
            "TIME 2026-1-4 9:00 is before 2026-1-5 8:00 at line 2; sort the patient's records by TIME, or correct it",
        ),
    ],
)
def test_time_that_goes_back_is_refused_and_never_sorted(lines: tuple[str, ...], reason: str) -> None:
    reading = read_nmtran(lines, DOCETAXEL, output="neutrophils")
    (bad,) = reading.bad_lines
    assert bad.line == 3
    assert bad.reason.startswith(reason)
    assert len(facts(reading)) == 1


@pytest.mark.parametrize(
    ("header", "columns", "reason"),
    [
        ("", "", "no header"),
        ("1,0,1,96", "", "no header"),
        ("TIME,DV", "", "no column ID; say which one it is by the column map, ID=COLUMN"),
        ("ID,DAY,DV", "", "no column TIME"),
        ("ID,TIME,WT", "", "neither a column DV nor a column AMT"),
        ("ID,TIME,DV,DV", "", "column DV is there more than once"),
        ('ID,TIME,"DV', "", "line 1: the header is not comma-separated text"),
        ("ID,TIME,DV", "TIME=DAY", "TIME=DAY, but there is no column DAY"),
        ("ID,TIME,DV", "HEIGHT=DV", "HEIGHT is no data item and no covariate"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(header: str, columns: str, reason: str) -> None:
    with pytest.raises(NmtranError, match=reason):
        read_nmtran([header], DOCETAXEL, parse_columns(columns))


@pytest.mark.parametrize("text", ["TIME", "TIME=", "=DAY", "TIME=DAY,TIME=HOUR"])
def test_a_column_map_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NmtranError, match="column map"):
        parse_columns(text)


def test_an_output_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(NmtranError, match="'platelets' is not in docetaxel_ozawa2007; it has docetaxel_plasma"):
        read(output="platelets")


# --- invariants ------------------------------------------------------------------------------------------------------

RECORD = st.builds(
    lambda patient, time, dose, value: row(
        ID=patient, TIME=time, **({"EVID": 1, "AMT": value} if dose else {"DV": value, "DVID": 2})
    ),
    st.integers(1, 3),
    st.integers(0, 400),
    st.booleans(),
    st.floats(0.1, 50).map(lambda value: round(value, 3)),
)


def by_time(text: str) -> float:
    return float(text.split(",")[1])


@settings(deadline=None)
@given(st.lists(RECORD, max_size=15), st.lists(st.tuples(st.integers(0, 15), st.text(max_size=30)), max_size=5))
def test_junk_between_the_lines_changes_nothing(rows: list[str], junk: list[tuple[int, str]]) -> None:
    rows.sort(key=by_time)
    dirty = list(rows)
    for at, text in junk:
        dirty.insert(at, f"?{text}".replace(",", ";"))
    clean = read(*rows)
    reading = read(*dirty)
    assert reading.events == clean.events
    assert len(reading.bad_lines) == len(junk)
    assert clean.bad_lines == ()


@settings(deadline=None)
@given(st.lists(RECORD, max_size=12))
def test_only_the_order_of_a_patients_own_lines_matters(rows: list[str]) -> None:
    rows.sort(key=by_time)

    def told(reading: NmtranEvents) -> dict[str, bytes]:
        return {event.event_id: encode(event) for event in reading.events}

    assert told(read(*sorted(rows, key=lambda text: text.split(",")[0]))) == told(read(*rows))


@settings(deadline=None)
@given(st.lists(RECORD, max_size=12))
def test_what_is_read_lies_in_the_order_of_lines_and_what_goes_back_is_refused(rows: list[str]) -> None:
    reading = read(*rows)
    newest: dict[str, float] = {}
    back = []
    for line, text in enumerate(rows, start=2):
        patient = text.split(",")[0]
        if by_time(text) < newest.setdefault(patient, by_time(text)):
            back.append(line)
        else:
            newest[patient] = by_time(text)
    assert [bad.line for bad in reading.bad_lines] == back
    for events in reading.by_patient().values():
        ordered = sorted((e for e in events if e.sequence is not None), key=lambda e: (e.time, e.sequence))
        lines = [reading.line_of[event.event_id] for event in ordered]
        assert lines == sorted(lines)


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=8))
def test_whatever_the_text_it_is_read_or_refused_with_a_reason(lines: list[str]) -> None:
    reading = read_nmtran([HEADER, *lines], DOCETAXEL)
    assert all(decode(encode(event)) == event for event in reading.events)
    assert all(bad.reason for bad in reading.bad_lines)


# --- real studies ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not ALL_6MP.exists(), reason="needs ../shared/data/all_6mp_anc.csv")
def test_the_58_children_are_read_whole() -> None:
    with ALL_6MP.open() as file:
        rows = list(csv.DictReader(file))
    with ALL_6MP.open() as file:
        reading = read_nmtran(file, MERCAPTOPURINE, parse_columns("TIME=TIME_DAYS,AMT=AMT_6MP,DV=ANC_G_PER_L"))
    assert reading.bad_lines == ()
    assert reading.notes == ("neutrophils of 0: too few to count, known only to be below 0.1 10*9/L (2x)",)
    counts = [event for event in reading.events if isinstance(event, LabResult)]
    doses = [event for event in reading.events if isinstance(event, DoseGiven)]
    assert len(reading.by_patient()) == 58
    assert len(counts) == sum(r["EVID"] == "0" for r in rows)
    assert sum(d.amount.value for d in doses) == pytest.approx(sum(float(r["AMT_6MP"]) for r in rows if r["AMT_6MP"]))
    assert len({event.event_id for event in reading.events}) == len(reading.events)
    assert {d.route for d in doses} == {"oral"}


@pytest.mark.skipif(not NIMOTUZUMAB.exists(), reason="needs ../shared/data/nimotuzumab.csv")
def test_the_antibody_infusions_last_as_long_as_amount_and_rate_say() -> None:
    with NIMOTUZUMAB.open() as file:
        rows = [r for r in csv.DictReader(file) if r["EVID"] == "1"]
    with NIMOTUZUMAB.open() as file:
        reading = read_nmtran(file, DOCETAXEL, output="docetaxel")
    doses = [event for event in reading.events if isinstance(event, DoseGiven)]
    durations = [d.duration.value for d in doses if d.duration is not None]
    assert sorted(durations) == pytest.approx(sorted(float(r["AMT"]) / float(r["RATE"]) for r in rows))
    assert len(reading.by_patient()) == 12
    assert ["negative" in bad.reason for bad in reading.bad_lines] == [True]
