"""Observations: results of laboratories and readings of devices, one fact for each coded number."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from connectors.facts.codes import Coding, Quantified, system_of
from connectors.facts.fact import Fact, Found, Moment, NotAFact, Passed, Refusal, Subject
from connectors.facts.profile import Profile
from connectors.facts.specimens import is_blood, is_other
from connectors.facts.units_of_sources import quantity
from connectors.protocols.fhir.resource import Json, Resource, codings, finite, listed, member, only_known, text_of
from connectors.protocols.fhir.times import moment
from connectors.protocols.openmhealth.reading import read_point
from twin.events import Status

STATUS: dict[str, Status] = {
    "preliminary": "preliminary",
    "final": "final",
    "amended": "corrected",
    "corrected": "corrected",
    "entered-in-error": "retracted",
}
"""hl7.org/fhir/R4/valueset-observation-status.html; registered, cancelled and unknown tell nothing."""

OF_SPECIMENS = ("lab_result", "drug_level")
"""Kinds of events that say what was measured of a specimen."""

_SIDES = {"<": "<", "<=": "<", ">": ">", ">=": ">"}


def read_observation(resource: Resource, profile: Profile) -> Iterator[Found]:
    """The facts of an Observation."""
    body, place = resource.body, resource.place
    status = STATUS.get(resource.status)
    try:
        only_known(body)
        if status is None:
            yield Passed(place, "an observation without a result yet, or cancelled")
            return
        if status == "retracted":
            yield Fact(resource.key("*"), "", {}, None, None, place, "retracted")
            return
        if (attached := member(body, "valueAttachment")) is not None:
            yield from _attached(resource, attached, profile)
            return
        parts = _parts(body)
        if not parts:
            yield Passed(place, "an observation without a number")
            return
        if listed(body.get("focus")):
            raise NotAFact("not_a_reading", "'focus': it is of somebody or something other than its subject")
        subject = resource.subject(profile.pseudonyms)
    except NotAFact as error:
        yield Refusal(place, error.reason, error.detail)
        return
    found = [_part(resource, subject, status, part, profile) for part in parts]
    first = next((one for one in found if isinstance(one, Refusal)), None) or _half(parts, found, profile)
    if first is not None and _is_one_reading(found):
        found = [one if not isinstance(one, Fact) else Refusal(one.place, first.reason, first.detail) for one in found]
    yield from found


def _is_one_reading(found: list[Found]) -> bool:
    """Whether half of what was read would be worse than none: both pressures of a cuff."""
    return any(isinstance(one, Fact) and str(one.fields.get("channel", "")).endswith("_bp") for one in found)


def _half(parts: list[tuple[str, Json]], found: list[Found], profile: Profile) -> Refusal | None:
    """What is wrong with a cuff's reading of which one pressure is said to be missing."""
    for (_, body), one in zip(parts, found, strict=True):
        if isinstance(one, Passed) and "dataAbsentReason" in body:
            measured = profile.codes.quantity(codings(body.get("code")))
            if measured is not None and measured.name.endswith("_bp"):
                return Refusal(one.place, "incomplete", "one of a cuff's two pressures is missing (dataAbsentReason)")
    return None


def _parts(body: Json) -> list[tuple[str, Json]]:
    """What may hold a number, with its place: the resource itself, and its components."""
    own = [("", body)] if "valueQuantity" in body or "valueInteger" in body else []
    components = [(f"component[{n}]", one) for n, one in enumerate(listed(body.get("component")), start=1)]
    return own + components


def _part(resource: Resource, subject: Subject, status: Status, part: tuple[str, Json], profile: Profile) -> Found:
    where, body = part
    place = f"{resource.place}.{where}" if where else resource.place
    try:
        if "dataAbsentReason" in body:
            return Passed(place, "no value, with a reason why")
        given = codings(body.get("code"))
        text = text_of(member(body, "code", "text"))
        named = [*given, Coding("", "", text)] if text else given
        value = _quantity_of(body)
        if not named and value is None:
            raise NotAFact("unknown_code", "neither code nor value")
        quantified = profile.codes.quantity(named)
        if quantified is None:
            return Passed(place, "a code that no twin reads")
        if value is None:
            return Passed(place, "no number")
        fields = _fields(quantified, value, given, resource, profile)
        time = _observed(resource, quantified)
        if quantified.kind in OF_SPECIMENS and (issued := _issued(resource)) is not None:
            fields["reported"] = issued
        code = next((one for one in given if system_of(one.system) in ("loinc", "mdc")), given[0])
        return Fact(
            resource.key(f"{system_of(code.system)}|{code.code}"), quantified.kind, fields, subject, time, place, status
        )
    except NotAFact as error:
        return Refusal(place, error.reason, error.detail)


def _quantity_of(body: Json) -> Json | None:
    found = body.get("valueQuantity")
    if isinstance(found, dict):
        return found
    return {"value": body["valueInteger"], "code": "1"} if "valueInteger" in body else None


def _fields(
    quantified: Quantified, said: Json, given: list[Coding], resource: Resource, profile: Profile
) -> dict[str, object]:
    number, comparator = finite(said.get("value")), text_of(said.get("comparator"))
    if number is None:
        raise NotAFact("incomplete", "a quantity without a number")
    if comparator and comparator not in _SIDES:
        raise NotAFact("not_a_reading", "a comparator other than <, <=, >= and >")
    side = _SIDES.get(comparator, "")
    if side and quantified.kind in ("vital_sample", "covariate"):
        raise NotAFact("not_a_reading", "a reading that is only known to be above or below a limit")
    value = quantity(
        number, _unit(said), quantified.unit, means=profile.means, molar_mass=quantified.molar_mass,
        low=0.0 if side == "<" else quantified.low, high=None if side == ">" else quantified.high,
    )  # fmt: skip
    name = profile.named(quantified.name)
    if quantified.kind == "covariate":
        return {"name": name, "value": value}
    if quantified.kind == "vital_sample":
        return {"channel": quantified.name, "value": value, "device_id": resource.device_id() or profile.source}
    fields: dict[str, object] = {"analyte": name, "value": value}
    if side:
        fields |= {"below_lloq": True, "lloq": value} if side == "<" else {"above_uloq": True, "uloq": value}
    loinc = next((one.code for one in given if system_of(one.system) == "loinc"), "")
    return fields | ({"loinc": loinc} if loinc and quantified.kind == "lab_result" else {})


def _unit(said: Json) -> str:
    """The unit's code where it is UCUM; else its label, for the profile to say what it means."""
    code, system = text_of(said.get("code")), text_of(said.get("system"))
    return code if code and (not system or system_of(system) == "ucum") else text_of(said.get("unit")) or code


def _observed(resource: Resource, quantified: Quantified) -> Moment | None:
    """When it was so: of a specimen when it was taken, of a count of an interval its end; never when it was issued."""
    body = resource.body
    specimen = resource.refer(body.get("specimen"))
    if quantified.kind in OF_SPECIMENS:
        _of_blood(specimen, text_of(member(body, "specimen", "display")))
    collected = member(specimen, "collection")
    taken = moment(member(collected, "collectedDateTime")) or moment(member(collected, "collectedPeriod", "start"))
    if taken is not None:
        return taken
    if quantified.kind == "vital_sample" and quantified.name != "steps":
        start, end = (moment(member(body, "effectivePeriod", name)) for name in ("start", "end"))
        if start is not None and end is not None and start != end:
            raise NotAFact("not_a_reading", "'effectivePeriod': a value of an interval is no reading of an instant")
    if own := _effective(body, ends=quantified.name == "steps"):
        return own
    return _effective(resource.report, ends=False) if resource.report is not None else None


def _issued(resource: Resource) -> Moment | None:
    """When it could first be read, as far as that is said: by the observation, or by the report that lists it."""
    try:
        return moment(resource.body.get("issued")) or moment(member(resource.report, "issued"))
    except NotAFact:
        return None


def _of_blood(specimen: Json | None, called: str) -> None:
    """Refuse what is of another specimen, by its type, or by what the reference to it is called."""
    kind = member(specimen, "type")
    said = {part for one in codings(kind) for part in (one.code, one.name)} | {text_of(member(kind, "text"))}
    said -= {""}
    if text_of(member(specimen, "status")) in ("unsatisfactory", "entered-in-error"):
        raise NotAFact("not_a_reading", "of a specimen that is unsatisfactory or entered in error")
    if (said and not any(map(is_blood, said))) or (not said and is_other(called)):
        raise NotAFact("not_a_reading", "of a specimen that is not blood, serum or plasma")


def _effective(body: Json, *, ends: bool) -> Moment | None:
    period = body.get("effectivePeriod")
    return (
        moment(body.get("effectiveDateTime"))
        or moment(body.get("effectiveInstant"))
        or moment(member(period, "end" if ends else "start"))
    )


def _attached(resource: Resource, attached: object, profile: Profile) -> Iterator[Found]:
    """A data point of Open mHealth within an Observation (FHIR R5, and senders of R4 that go ahead of it)."""
    if "json" not in text_of(member(attached, "contentType")):
        yield Passed(resource.place, "an attachment that is no JSON")
        return
    try:
        raw = base64.b64decode(text_of(member(attached, "data")), validate=True)
    except (binascii.Error, ValueError):
        raise NotAFact("malformed", "'valueAttachment.data' is no base64") from None
    subject = resource.subject(profile.pseudonyms)
    yield from read_point(raw, profile, subject, device=resource.device_id(), place=resource.place)
