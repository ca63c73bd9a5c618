"""What an OBX holds: a number and on which side of it the truth lies, a term, or nothing."""

from __future__ import annotations

import pytest

from connectors.facts.codes import Coding
from connectors.facts.fact import NotAFact
from connectors.protocols.hl7.message import Segment, parse
from connectors.protocols.hl7.values import Number, codings, number, term, unit


def obx(kind: str, value: str, unit_: str = "", code: str = "1^x^L") -> Segment:
    (found,) = parse(f"MSH|^~\\&|A|B\rOBX|1|{kind}|{code}||{value}|{unit_}").of("OBX")
    return found


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("NM", "3.4", Number(3.4)),
        ("NM", " +3.4e1 ", Number(34.0)),
        ("NM", ".5", Number(0.5)),
        ("NM", "<0.5", Number(0.5, "<")),
        ("NM", ">= 500", Number(500.0, ">")),
        ("SN", "^182", Number(182.0)),
        ("SN", "=^182", Number(182.0)),
        ("SN", "<^0.5", Number(0.5, "<")),
        ("SN", ">^500", Number(500.0, ">")),
        ("ST", "  3.16", Number(3.16)),
        ("TX", "<0.2", Number(0.2, "<")),
        ("", "7", Number(7.0)),
    ],
)
def test_a_number_is_read_with_its_side(kind: str, value: str, wanted: Number) -> None:
    assert number(obx(kind, value)) == wanted


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("NM", ""), ("NM", "## TEST CANCELLED ##"), ("NM", '""'), ("ST", "DNR"), ("ST", "<0.2%"), ("FT", "3 of 4"),
        ("CWE", "260348001^Present^SCT"), ("CE", "4"), ("RP", "4"), ("ED", "^x^y^Base64^AAAA"), ("DT", "20260302"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_none(kind: str, value: str) -> None:
    assert number(obx(kind, value)) is None


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("NM", "1,5", "malformed"),
        ("NM", "12 of 20", "malformed"),
        ("NM", "1e999", "malformed"),
        ("NM", "1~2", "not_a_reading"),
        ("SN", "^5^-^10", "not_a_reading"),
        ("SN", "^1^:^128", "not_a_reading"),
        ("SN", "<>^5", "not_a_reading"),
        ("SN", "^many", "malformed"),
        ("SN", "^<5", "malformed"),
        ("ST", "1~2", "not_a_reading"),
        ("FN", "^182", "malformed"),
        ("QQ", "182", "malformed"),
    ],
)
def test_what_could_be_several_numbers_or_none_is_refused(kind: str, value: str, reason: str) -> None:
    with pytest.raises(NotAFact, match=reason):
        number(obx(kind, value))


def test_a_term_is_named_in_its_second_component_or_its_first() -> None:
    assert term(obx("CWE", "^pump-status-infusing")) == "pump-status-infusing"
    assert term(obx("CWE", "197288^MDC_EVT_PUMP_DELIV_START^MDC")) == "MDC_EVT_PUMP_DELIV_START"
    assert term(obx("ST", "start")) == "start"
    assert term(obx("NM", "3")) == ""
    assert term(obx("CWE", "")) == ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("10^9/L", "10^9/L"), ("x10^3/uL", "x10^3/uL"), ('""', ""), ("300000^MDC_DIM_NEW^MDC", "MDC_DIM_NEW"),
     ("300000^^MDC", "MDC 300000"), ("262656^MDC_DIM_DIMLESS^MDC", "1")],
)  # fmt: skip
def test_a_unit_is_never_the_number_of_one(text: str, wanted: str) -> None:
    assert unit(obx("NM", "3", text), 6) == wanted


def test_a_third_triplet_may_stand_in_place_of_the_versions() -> None:
    found = codings(obx("NM", "3", code="N^Neut^99LAB^X^Y^L^751-8^Neutrophils^LN"), 3)
    assert Coding("751-8", "LN", "Neutrophils") in found
    versions = codings(obx("NM", "3", code="N^Neut^99LAB^X^Y^L^2.1^2.2^as written"), 3)
    assert [coding.system for coding in versions] == ["99LAB", "L"]


def test_every_triplet_of_a_code_is_seen() -> None:
    found = codings(obx("NM", "1", code="LOC^Neutro^99L^751-8^Neutrophils^LN^v1^v2^text^26499-4^N^LN"), 3)
    assert [(coding.code, coding.system) for coding in found] == [("LOC", "99L"), ("751-8", "LN"), ("26499-4", "LN")]
    assert codings(obx("NM", "1", code="^Dopamine"), 3) == [Coding("", "", "Dopamine")]
    assert codings(obx("NM", "1", code=""), 3) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10*9/L^^UCUM", "10*9/L"),
        ("265266^MDC_DIM_MILLI_L_PER_HR^MDC^mL/h^mL/h^UCUM", "mL/h"),
        ("3475^ug/kg/min^UCUM^265619^MDC_DIM_MICRO_G_PER_KG_PER_MIN^MDC", "ug/kg/min"),
        ("265266^MDC_DIM_MILLI_L_PER_HR^MDC", "mL/h"),
        ("999^MDC_DIM_DEGC^MDC", "Cel"),
        ("264864^^MDC", "/min"),
        (r"10\S\9/L", "10^9/L"),
        ("K/uL", "K/uL"),
        ("^grams^L", "grams"),
        ("", ""),
    ],
)
def test_a_unit_is_ucum_where_any_triplet_is_else_the_text_as_it_stands(text: str, wanted: str) -> None:
    assert unit(obx("NM", "1", text), 6) == wanted
