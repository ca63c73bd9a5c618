"""Laboratories' results: of the moment and specimen that they are of, on the side of a limit that they are on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.facts.codes import Codes
from connectors.facts.fact import Fact, Found, Moment, Passed, Refusal
from connectors.protocols.hl7.laboratory import read_laboratory
from connectors.protocols.hl7.message import parse
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken
from tests.connectors.protocols.spoken import ORDER, SPECIMEN, count, header, laboratory

DRAWN = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)


def read(raw: bytes, **changes: Any) -> list[Found]:
    return list(read_laboratory(parse(raw.decode()), sources.profile(**changes)))


def fact(raw: bytes, **changes: Any) -> Fact:
    (found,) = read(raw, **changes)
    assert isinstance(found, Fact), found
    return found


def reason(raw: bytes, **changes: Any) -> str:
    (found,) = read(raw, **changes)
    assert isinstance(found, Refusal), found
    return found.reason


def test_a_count_is_of_the_moment_its_specimen_was_taken() -> None:
    found = fact(laboratory(count(f14="20260302120000+0100")))
    assert (found.kind, found.status, found.place) == ("lab_result", "final", "OBR[1].OBX[1]")
    assert found.fields["analyte"] == "neutrophils"
    assert found.fields["loinc"] == "751-8"
    assert found.moment is not None
    assert found.moment.at == DRAWN
    assert found.subject is not None
    assert found.subject.id == spoken.NUMBER


def test_without_a_specimen_the_order_says_when_and_nothing_else_does() -> None:
    found = fact(laboratory(specimen="", order=ORDER.replace("0830", "0815")))
    assert found.moment is not None
    assert found.moment.at == DRAWN.replace(minute=15)
    bare = laboratory(count(f14="20260302120000+0100"), specimen="", order=ORDER.replace("20260302083000+0100", ""))
    assert fact(bare).moment is None


def test_the_offset_of_the_message_holds_for_its_stamps() -> None:
    found = fact(laboratory(specimen=SPECIMEN.replace("+0100", "")))
    assert found.moment is not None
    assert found.moment.at == DRAWN
    naive = laboratory(specimen=SPECIMEN.replace("+0100", ""), msh=header(f7="20260302100000"))
    assert fact(naive).moment == Moment(datetime(2026, 3, 2, 8, 30))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("20260302141500+0100", "2026-03-02T14:15:00+01:00"), ("", None), ("soon", None), ("2026030214", None)],
)
def test_the_order_says_when_it_was_reported_and_what_is_no_time_says_nothing(said: str, wanted: str | None) -> None:
    fields = ORDER.split("|")
    found = fact(laboratory(count(), order="|".join([*fields[:22], said, *fields[23:]])))
    reported = found.fields.get("reported")
    assert (reported.at.isoformat() if isinstance(reported, Moment) else None) == wanted


def test_a_draw_at_midnight_to_the_second_is_a_date() -> None:
    found = fact(laboratory(specimen=SPECIMEN.replace("083000", "000000")))
    assert found.moment is not None
    assert found.moment.resolution == "day"
    found = fact(laboratory(specimen=SPECIMEN.replace("083000", "0000")))
    assert found.moment is not None
    assert found.moment.resolution == "instant"


@pytest.mark.parametrize(
    ("said", "status"),
    [("P", "preliminary"), ("R", "preliminary"), ("S", "preliminary"), ("F", "final"), ("U", "final"),
     ("C", "corrected"), ("D", "retracted"), ("W", "retracted")],
)  # fmt: skip
def test_a_result_has_its_own_status_or_that_of_its_order(said: str, status: str) -> None:
    assert fact(laboratory(count(status=said))).status == status
    assert fact(laboratory(count(status=""), order=ORDER[:-1] + said)).status == status


@pytest.mark.parametrize("status", ["I", "O", "N", "X", "Z"])
def test_what_has_no_result_yet_tells_nothing(status: str) -> None:
    (found,) = read(laboratory(count(status=status)))
    assert isinstance(found, Passed)
    if status == "X":
        assert fact(laboratory(count(status=status)), values_without_result=True).status == "final"


def test_no_status_at_all_is_final_and_an_unknown_one_is_refused() -> None:
    assert fact(laboratory(count(status=""), order=ORDER[:-1])).status == "final"
    assert reason(laboratory(count(status="Q"))) == "malformed"


def test_a_retraction_needs_neither_value_nor_patient() -> None:
    gone = fact(laboratory(count("", status="W"), pid="PID|1||Unknown Patient"))
    assert (gone.status, gone.subject, gone.fields) == ("retracted", None, {})
    assert gone.key == fact(laboratory()).key


def test_a_result_is_the_same_in_whatever_message_it_comes() -> None:
    key = fact(laboratory()).key
    again = laboratory(count("9"), msh=header(f10="M 2", f7="20260302113000+0100"))
    assert fact(again).key == key
    assert fact(laboratory(specimen=SPECIMEN.replace("083000+0100", "0730+0000"))).key == key
    others = [
        laboratory(order=ORDER.replace("F88", "F89")),
        laboratory(specimen=SPECIMEN.replace("0830", "0831")),
        laboratory(count(f4="2")),
        laboratory(msh=header(f3="LAB2")),
        laboratory(count(f3="26499-4^Neutrophils^LN")),
    ]
    assert len({key, *(fact(raw).key for raw in others)}) == 6


def test_the_common_segment_may_have_the_number_of_the_order() -> None:
    said = spoken.lines(header(), spoken.PID, "ORC|RE|P77|F88", count(), SPECIMEN)
    assert fact(said).key[:4] == fact(laboratory()).key[:4]


def test_an_explicit_null_is_neither_unit_nor_patient() -> None:
    assert reason(laboratory(count(f6='""'))) == "no_unit"
    assert reason(laboratory(pid='PID|1||""^^^EAST^MR')) == "no_patient"


def test_without_a_number_of_the_order_a_correction_would_not_be_known() -> None:
    assert fact(laboratory(order=ORDER.replace("F88^LAB", ""))).key[3] == "P77"
    assert reason(laboratory(order=ORDER.replace("F88^LAB", "").replace("P77", ""))) == "incomplete"


@pytest.mark.parametrize(("value", "side", "limit"), [("<0.5", "below_lloq", "lloq"), (">499", "above_uloq", "uloq")])
def test_a_limit_is_told_as_one(value: str, side: str, limit: str) -> None:
    fields = fact(laboratory(count(value))).fields
    assert fields[side] is True
    assert fields[limit] == fields["value"]


@pytest.mark.parametrize("value", ["<-1", "-1", ">-1", "12500", "<600"])
def test_what_such_a_count_cannot_be_is_refused(value: str) -> None:
    assert reason(laboratory(count(value))) == "out_of_range"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"f6": ""}, "no_unit"),
        ({"f6": "K/uL"}, "unknown_unit"),
        ({"f3": "751-8^Neutrophils^99LAB"}, "unknown_code"),
        ({"f3": "751-8^Neutrophils/100 leukocytes^LN", "f6": "%"}, "code_conflict"),
        ({"f2": "FN"}, "malformed"),
    ],
)
def test_what_is_wrong_with_a_result_is_said(changes: dict[str, str], wanted: str) -> None:
    assert reason(laboratory(count(**changes))) == wanted


def test_a_profile_says_what_local_codes_and_units_mean() -> None:
    local = laboratory(count(f3="NEUT^Neutro^99LAB", f6="K/uL"))
    found = fact(local, codes=Codes({"99LAB|NEUT": "neutrophils"}), units={"K/uL": "10*3/uL"})
    assert found.fields["analyte"] == "neutrophils"
    assert "loinc" not in found.fields


def test_a_percentage_beside_a_count_is_passed_over() -> None:
    first, second = read(laboratory(count(), count(f3="26511-6^Neutrophils/100 leukocytes in Blood^LN", f6="%")))
    assert isinstance(first, Fact)
    assert isinstance(second, Passed)


@pytest.mark.parametrize("kind", ["UR^Urine^HL70487", "122575003^Urine specimen^SCT", "CSF", "^Pleural fluid"])
def test_what_is_of_another_specimen_is_no_value_of_blood(kind: str) -> None:
    specimen = SPECIMEN.replace("119297000^Blood specimen^SCT", kind)
    assert reason(laboratory(specimen=specimen)) == "not_a_reading"


@pytest.mark.parametrize("kind", ["BLD", "SER^Serum^HL70487", "119361006", "^Venous blood", "", "LAV^^99LAB^BLDV"])
def test_blood_serum_and_plasma_are_known_by_code_or_name(kind: str) -> None:
    assert fact(laboratory(specimen=SPECIMEN.replace("119297000^Blood specimen^SCT", kind)))


def test_before_specimens_had_segments_the_order_named_them() -> None:
    old = ORDER.split("|")
    old[15] = "UR&Urine"
    assert reason(laboratory(specimen="", order="|".join(old))) == "not_a_reading"
    old[15] = "BLDV"
    assert fact(laboratory(specimen="", order="|".join(old)))


@pytest.mark.parametrize(("field", "text"), [(21, "QS^Quantity not sufficient"), (20, "N"), (24, "SNR")])
def test_a_rejected_specimen_tells_nothing(field: int, text: str) -> None:
    parts = (SPECIMEN + "|" * 10).split("|")
    parts[field] = text
    (found,) = read(laboratory(specimen="|".join(parts)))
    assert isinstance(found, Passed)


def test_a_cool_specimen_is_not_rejected() -> None:
    assert fact(laboratory(specimen=SPECIMEN + "|||||||COOL^Cool"))


def test_a_weight_is_a_characteristic_under_the_name_of_the_wards_models() -> None:
    result = count("70", f3="29463-7^Body weight^LN", f6="kg")
    found = fact(laboratory(result, specimen=""), names={"weight": "WT"})
    assert (found.kind, found.fields["name"]) == ("covariate", "WT")
    assert reason(laboratory(result.replace("|70|", "|<70|"), specimen="")) == "not_a_reading"


def test_nobody_is_guessed() -> None:
    for pid in ("PID|1", "PID|1||Unknown Patient", "PID|1||F88", "ZZZ|1"):
        assert reason(laboratory(pid=pid)) == "no_patient"


OTHER = ORDER.replace("F88", "F89").replace("0830", "0915")


def test_results_before_their_only_order_are_of_it() -> None:
    turned = spoken.lines(header(), spoken.PID, count("3.4"), count("5", f3="6690-2^Leukocytes^LN"), ORDER)
    given = read(laboratory(count("3.4"), count("5", f3="6690-2^Leukocytes^LN"), specimen=""))
    assert read(turned) == given
    assert [found.place for found in given] == ["OBR[1].OBX[1]", "OBR[1].OBX[2]"]


def test_results_of_which_the_order_may_be_the_one_before_or_behind_are_refused_with_what_to_send() -> None:
    found = read(spoken.lines(header(), spoken.PID, count("3.4"), ORDER, count("5"), OTHER))
    assert [one.reason for one in found if isinstance(one, Refusal)] == ["malformed", "malformed"]
    assert all("send each OBR before its OBX" in str(one) for one in found)
    document = "OBX|1|ED|PDF^Report^LN||^AP^^Base64^AA==|||||F"
    letter, result = read(spoken.lines(header(), spoken.PID, document, ORDER, count("5"), OTHER))
    assert isinstance(letter, Passed)
    assert isinstance(result, Fact)


@pytest.mark.parametrize("version", ["2.7", "2.8.2", "2.9", "2.10", ""])
def test_results_of_the_patient_are_of_no_order(version: str) -> None:
    refused, *_ = read(spoken.lines(header(f12=version), spoken.PID, count("3.4"), ORDER))
    assert isinstance(refused, Refusal)
    assert (refused.reason, "send the OBR before it" in refused.detail) == ("incomplete", True)
