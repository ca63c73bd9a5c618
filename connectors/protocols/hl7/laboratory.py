"""A laboratory's results (ORU^R01): levels, counts and what characterises the patient.

A result is of the moment its specimen was taken: SPM-17, else OBR-7; when it was analysed says nothing of the patient,
and when it was reported (OBR-22) only since when it could be read. It is the same result by filler's order and code,
whichever message tells it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timezone

from connectors.facts.codes import Quantified, system_of
from connectors.facts.fact import Fact, Found, Moment, NotAFact, Passed, Refusal
from connectors.facts.profile import Profile
from connectors.facts.specimens import is_blood, is_other
from connectors.facts.units_of_sources import quantity
from connectors.protocols.hl7.groups import Group, groups_of_orders, subject_of, zone_of
from connectors.protocols.hl7.message import NULL, Message, Segment
from connectors.protocols.hl7.stamps import moment, stamp_of
from connectors.protocols.hl7.values import Number, codings, number, unit
from twin.events import Status

STATUS: dict[str, Status] = {
    "P": "preliminary",
    "R": "preliminary",
    "S": "preliminary",
    "F": "final",
    "U": "final",
    "C": "corrected",
    "D": "retracted",
    "W": "retracted",
}
"""HL7 table 0085, as far as a result is told or taken back."""

OF_SPECIMENS = ("lab_result", "drug_level")
"""Kinds of events that say what was measured of a specimen."""

_MIDNIGHT = re.compile(r"\d{8}000000")

_PENDING = ("I", "O", "N", "X", "Z")

_NOT_RECEIVED = "SNR"
"""HL7 table 0493: the specimen never came."""


def read_laboratory(message: Message, profile: Profile) -> Iterator[Found]:
    """The facts of an ORU^R01."""
    zone = zone_of(message)
    sender = (message.header.raw(3), message.header.raw(4))
    for group in groups_of_orders(message):
        for index, result in group.results:
            place = group.place(index)
            try:
                yield _fact(group, result, place, profile, zone, sender)
            except NotAFact as error:
                yield Refusal(place, error.reason, error.detail)


def _fact(
    group: Group, result: Segment, place: str, profile: Profile, zone: timezone | None, sender: tuple[str, str]
) -> Found:
    said = result(11) or (group.order(25) if group.order is not None else "") or "F"
    status = STATUS.get(said)
    if status is None and not (profile.values_without_result and said == "X"):
        if said in _PENDING:
            return Passed(place, "no result yet, or none to be had (OBX-11, OBR-25)")
        raise NotAFact("malformed", "OBX-11 is no status of HL7 table 0085")
    measured = None if status == "retracted" else number(result)
    if measured is None and status != "retracted":
        return Passed(place, "no number")
    quantified = profile.codes.quantity(codings(result, 3))
    if quantified is None:
        return Passed(place, "a code that no twin reads")
    if any(_rejected(specimen) for specimen in group.specimens):
        return Passed(place, "a specimen that was rejected")
    if group.in_doubt:
        raise NotAFact(
            "malformed", "it stands between two OBR, of either of which it may be; send each OBR before its OBX"
        )
    drawn = _drawn(group, zone)
    key = _key(group, result, drawn, sender)
    if measured is None:
        return Fact(key, quantified.kind, {}, None, None, place, "retracted")
    subject = subject_of(group, profile)
    _of_blood(group, quantified)
    if quantified.kind == "vital_sample":
        drawn = moment(result(14), zone) or drawn
    fields = fields_of(quantified, measured, unit(result, 6), result, profile)
    if quantified.kind in OF_SPECIMENS and (reported := _reported(group, zone)) is not None:
        fields["reported"] = reported
    return Fact(key, quantified.kind, fields, subject, drawn, place, status or "final")


def fields_of(
    quantified: Quantified, measured: Number, text: str, result: Segment, profile: Profile
) -> dict[str, object]:
    """The fields of the event that a measured number becomes."""
    value = quantity(
        measured.value, text, quantified.unit, means=profile.means,
        low=0.0 if measured.side == "<" else quantified.low, high=None if measured.side == ">" else quantified.high,
        molar_mass=quantified.molar_mass,
    )  # fmt: skip
    name = profile.named(quantified.name)
    if quantified.kind == "covariate":
        if measured.side:
            raise NotAFact("not_a_reading", "a characteristic that is only known to be above or below a limit")
        return {"name": name, "value": value}
    if quantified.kind == "vital_sample":
        if measured.side:
            raise NotAFact("not_a_reading", "a reading that is only known to be above or below a limit")
        return {"channel": quantified.name, "value": value, "device_id": result(18) or result(18, 3) or profile.source}
    fields: dict[str, object] = {"analyte": name, "value": value}
    if measured.side == "<":
        fields |= {"below_lloq": True, "lloq": value}
    if measured.side == ">":
        fields |= {"above_uloq": True, "uloq": value}
    if quantified.kind == "lab_result" and (loinc := _loinc(result)):
        fields["loinc"] = loinc
    return fields


def _key(group: Group, result: Segment, drawn: Moment | None, sender: tuple[str, str]) -> tuple[str, ...]:
    if group.order is group.common is None:
        raise NotAFact("incomplete", "it stands before any OBR, which has its number and time; send the OBR before it")
    if not group.order_number:
        detail = "no number of the order (OBR-3, OBR-2, ORC-3, ORC-2), by which a correction would be known"
        raise NotAFact("incomplete", detail)
    given = codings(result, 3)
    code = next((coding for coding in given if system_of(coding.system) == "loinc"), given[0])
    return ("hl7-lab", *sender, group.order_number, system_of(code.system), code.code, result(4), stamp_of(drawn))


def _drawn(group: Group, zone: timezone | None) -> Moment | None:
    """When the specimen was taken. Midnight to the second is a date whose hours somebody filled with zeros."""
    said = next((specimen(17) for specimen in group.specimens if specimen(17)), "")
    said = said or (group.order(7) if group.order is not None else "")
    drawn = moment(said, zone)
    return Moment(drawn.at, "day") if drawn is not None and _MIDNIGHT.match(said) else drawn


def _reported(group: Group, zone: timezone | None) -> Moment | None:
    """When the results were reported, where that can be read."""
    try:
        return moment(group.order(22), zone) if group.order is not None else None
    except NotAFact:
        return None


def _rejected(specimen: Segment) -> bool:
    conditions = {part.strip() for parts in specimen.repetitions(24) for part in parts}
    return bool(specimen(21)) or specimen(20) == "N" or _NOT_RECEIVED in conditions


def _of_blood(group: Group, quantified: Quantified) -> None:
    """Refuse what has the unit of a blood value and is of another specimen (SPM-4, before v2.5 OBR-15)."""
    if quantified.kind not in OF_SPECIMENS:
        return
    given = [part for specimen in group.specimens for parts in specimen.repetitions(4) for part in parts]
    kinds = {part.strip() for part in given} - {"", NULL}
    other = bool(kinds) and not any(map(is_blood, kinds))
    if group.order is not None and not kinds:
        other = is_other(group.order.sub(group.order(15))[0])
    if other:
        raise NotAFact("not_a_reading", "of a specimen that is not blood, serum or plasma (SPM-4, OBR-15)")


def _loinc(result: Segment) -> str:
    return next((c.code for c in codings(result, 3) if system_of(c.system) == "loinc" and c.code), "")
