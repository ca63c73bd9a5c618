"""What a result holds (OBX-2, OBX-5, OBX-6): a number and on which side of it the truth lies, a term, or nothing."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from connectors.facts.codes import Coding, is_known, system_of
from connectors.facts.fact import NotAFact
from connectors.protocols.hl7.message import Segment

Side = Literal["", "<", ">"]

_NUMBER = re.compile(r"(?P<side>[<>]=?|=)?\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$")

_OTHERS = (
    *("AD", "CK", "CN", "CP", "CQ", "CX", "DR", "DT", "DTM", "ED", "EI", "GTS", "JCC", "MA", "MD", "MO", "NA", "NR"),
    *("PN", "PPN", "PT", "RI", "RP", "SRT", "TM", "TN", "TS", "XAD", "XCN", "XON", "XPN", "XTN"),
)
"""HL7 table 0125: further types of results, none of which a twin reads."""

_TERMS = ("CWE", "CE", "CNE", "CF", "IS", "ID")
_TEXTS = ("ST", "TX", "FT", "")

SYSTEM_OF_TRIPLET = {1: 3, 4: 6, 10: 12, 7: 9}
"""Where a coded element's triplets begin and have their coding system (v2.7 on has a third, HL7 2.A.13).

Some senders write the third in place of the versions and the original text, 7 to 9: it is one where it ends with a
system that is known.
"""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was sent; ``side`` says where it is only a limit of what was measured."""

    value: float
    side: Side = ""


def number(result: Segment) -> Number | None:
    """The number of a result; None where it holds something that is none.

    Raises:
        NotAFact: ``malformed`` of a numeric type without a number, ``not_a_reading`` of ranges, ratios, several at
        once.
    """
    kind, repetitions = result(2), result.repetitions(5)
    if not repetitions or not any(part.strip() for part in repetitions[0]):
        return None
    if kind in (*_TERMS, *_OTHERS):
        return None
    if kind not in ("NM", "SN", *_TEXTS):
        raise NotAFact("malformed", "OBX-2 is no type of HL7 table 0125")
    if len(repetitions) > 1 and (kind in ("NM", "SN") or any(_number(r[0]) for r in repetitions)):
        raise NotAFact("not_a_reading", "several numbers in one OBX-5; send each in an OBX of its own")
    if kind == "SN":
        return _structured(repetitions[0])
    found = _number(repetitions[0][0])
    if found is None and kind == "NM" and re.search(r"\d", repetitions[0][0]):
        raise NotAFact("malformed", "OBX-2 is NM and OBX-5 no number")
    return found


def _structured(parts: list[str]) -> Number:
    """SN: comparator, number, separator, number."""
    side, first, separator, second = (*(part.strip() for part in parts), "", "", "", "")[:4]
    if separator or second:
        raise NotAFact("not_a_reading", "a range, ratio or titre (SN with a separator); send one number")
    found = _number(first)
    if found is None or found.side:
        raise NotAFact("malformed", "OBX-2 is SN and its second component no number")
    return Number(found.value, _side(side))


def _number(text: str) -> Number | None:
    found = _NUMBER.match(text.strip())
    if found is None:
        return None
    value = float(found["number"])
    return Number(value, _side(found["side"] or "")) if math.isfinite(value) else None


def _side(text: str) -> Side:
    if text in ("", "="):
        return ""
    if text in ("<", "<=", ">", ">="):
        return "<" if text[0] == "<" else ">"
    raise NotAFact("not_a_reading", "a comparator other than <, <=, >, >= and =")


def term(result: Segment) -> str:
    """The term that a result names (an enumeration of IHE PCD), as ``pump-status-infusing``; empty where it names
    none.
    """
    parts = result.components(5)
    if result(2) in (*_TERMS, *_TEXTS) and parts:
        return next((part.strip() for part in (*parts[1:2], parts[0]) if part.strip()), "")
    return ""


def codings(segment: Segment, field: int) -> list[Coding]:
    """Every triplet of a coded element that has a code or a name, those of known systems first."""
    found = []
    for begin, system in SYSTEM_OF_TRIPLET.items():
        code, name, named = (segment(field, place) for place in (begin, begin + 1, system))
        if (code or name) and (begin != 7 or is_known(named)):
            found.append(Coding(code, named, name))
    return found


_UNITS_OF_MDC = {
    "MDC_DIM_DIMLESS": "1",
    "MDC_DIM_PERCENT": "%",
    "MDC_DIM_BEAT_PER_MIN": "/min",
    "MDC_DIM_RESP_PER_MIN": "/min",
    "MDC_DIM_PULS_PER_MIN": "/min",
    "MDC_DIM_MMHG": "mm[Hg]",
    "MDC_DIM_KILO_PASCAL": "kPa",
    "MDC_DIM_DEGC": "Cel",
    "MDC_DIM_FAHR": "[degF]",
    "MDC_DIM_MILLI_L": "mL",
    "MDC_DIM_MILLI_L_PER_HR": "mL/h",
    "MDC_DIM_MILLI_G": "mg",
    "MDC_DIM_MICRO_G": "ug",
    "MDC_DIM_X_G": "g",
    "MDC_DIM_KILO_G": "kg",
    "MDC_DIM_LB": "[lb_av]",
    "MDC_DIM_MILLI_G_PER_ML": "mg/mL",
    "MDC_DIM_MICRO_G_PER_ML": "ug/mL",
    "MDC_DIM_MILLI_G_PER_HR": "mg/h",
    "MDC_DIM_MICRO_G_PER_KG_PER_MIN": "ug/kg/min",
    "MDC_DIM_MILLI_G_PER_KG_PER_HR": "mg/kg/h",
    "MDC_DIM_SEC": "s",
    "MDC_DIM_MIN": "min",
    "MDC_DIM_HR": "h",
    "MDC_DIM_CENTI_M": "cm",
    "MDC_DIM_SQ_X_M": "m2",
}
"""UCUM codes of terms of IEEE 11073-10101 for units, by their names: numbers differ between editions."""

_NUMBERS_OF_MDC = {
    "263762": "mL",
    "265266": "mL/h",
    "263890": "mg",
    "263891": "ug",
    "263875": "kg",
    "264306": "mg/mL",
    "265619": "ug/kg/min",
    "264320": "s",
    "264352": "min",
    "262688": "%",
    "264864": "/min",
    "264896": "/min",
    "264928": "/min",
    "268192": "Cel",
    "266560": "[degF]",
    "266016": "mm[Hg]",
}


_POWER = re.compile(r"x?10\^\d{1,2}/[^^]+$")


def unit(segment: Segment, field: int) -> str:
    """The unit of a coded element: its UCUM code, that of its MDC term, or the text as it stands.

    A number of MDC that is not known is no unit, least of all the plain number that it looks like. Where a sender left
    the mark of components in ``10^9/L`` unescaped, that is what it wrote.
    """
    if _POWER.match(segment.raw(field)):
        return segment.raw(field)
    given = codings(segment, field)
    for coding in given:
        said = next((text for text in (coding.code, coding.name) if text and not text.isdigit()), "")
        if system_of(coding.system) == "ucum" and said:
            return said
    for coding in given:
        if system_of(coding.system) == "mdc":
            found = _UNITS_OF_MDC.get(coding.name) or _NUMBERS_OF_MDC.get(coding.code)
            return found or coding.name or f"MDC {coding.code}"
    return given[0].code or given[0].name if given else ""
