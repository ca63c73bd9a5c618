"""Medication: what was given (MedicationAdministration, MedicationStatement) and what was ordered (MedicationRequest).

An order is never taken for a dose. A drug is known by the codes of the formulary: a product's code says its drug only
where the profile lists that product. A dose without its amount, for a body weight, or of an infusion without its
length, is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from connectors.facts.codes import Coding
from connectors.facts.fact import Fact, Found, Moment, NotAFact, Passed, Refusal, shown
from connectors.facts.moments import later
from connectors.facts.profile import Profile
from connectors.protocols.fhir.resource import Json, Resource, codings, finite, listed, member, only_known, text_of
from connectors.protocols.fhir.times import moment
from twin.events import Quantity
from twin.units import UnitError, convert

ROUTES = {
    "47625008": "iv", "255560000": "iv", "IV": "iv", "IVINJ": "iv", "IVPUSH": "iv", "IVDRIP": "iv", "IVPB": "iv",
    "26643006": "oral", "PO": "oral", "34206005": "sc", "SQ": "sc", "SUBCUT": "sc", "SC": "sc",
    "78421000": "im", "IM": "im", "38239002": "ip", "IPINJ": "ip",
}  # fmt: skip
"""SNOMED CT (route of administration) and HL7's RouteOfAdministration, as far as models have routes."""

_PUSHES = {"417924000", "PUSH", "IVPUSH", "BOLUS", "129324003"}
"""Methods and routes by which an intravenous dose is given at once."""

_BY_ONESELF = ("oral", "sc")
"""Routes by which patients take a dose themselves, seen by nobody."""

MOST_DOSES = 400
"""Doses of a plan."""

_GIVEN = {"completed", "stopped"}
_NOT_YET = {"in-progress", "on-hold", "unknown", "not-done", "intended", "not-taken", "recorded-not-taken"}

_LONGEST = 1e5
"""Of a period, in its unit: longer than any treatment."""

_NOT_READ = ("timeOfDay", "dayOfWeek", "when", "offset", "frequencyMax", "periodMax", "countMax", "durationMax")

_PERIODS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0, "wk": 168.0}


def read_given(resource: Resource, profile: Profile) -> Iterator[Found]:
    """The dose that a MedicationAdministration, or a MedicationStatement of one dose, says was given."""
    place, status = resource.place, resource.status
    try:
        only_known(resource.body)
        if status == "entered-in-error":
            yield Fact(resource.key("*"), "", {}, None, None, place, "retracted")
            return
        if status not in _GIVEN:
            yield Passed(
                place, "a medication that is not given, or not yet" if status in _NOT_YET else "no status of one given"
            )
            return
        drug = _drug(resource, profile)
        if drug is None:
            yield Passed(place, "a drug of no twin")
            return
        dosage = resource.body.get("dosage")
        dosage = dosage if isinstance(dosage, dict) else next(iter(listed(dosage)), {})
        if resource.type == "MedicationStatement" and _is_course(resource.body, dosage):
            raise NotAFact("not_a_reading", "a statement of a course says of no dose when it was taken")
        dose = dosage.get("dose") or member(next(iter(listed(dosage.get("doseAndRate"))), None), "doseQuantity")
        route = _route(dosage.get("route"))
        start, hours = _when(resource.body, dosage, route)
        if start is not None and start.resolution != "instant":
            raise NotAFact("time_too_coarse", f"a {start.resolution} is no instant; a dose has its hour")
        fields: dict[str, object] = {"drug": drug, "route": route, "amount": _amount(dose, profile)}
        if hours is not None:
            _agree(dosage, dose, hours)
            fields["duration"] = Quantity(value=hours, unit="h")
        elif route == "iv" and not _pushed(dosage):
            raise NotAFact("incomplete", "an infusion without its length: no 'effectivePeriod' with both ends")
        if profile.taken is not None and route in _BY_ONESELF:
            fields["taken"] = profile.taken
        subject = resource.subject(profile.pseudonyms)
        yield Fact(resource.key("dose"), "dose_given", fields, subject, start, place)
    except NotAFact as error:
        yield Refusal(place, error.reason, error.detail)


def read_request(resource: Resource, profile: Profile) -> Iterator[Found]:
    """The plan that a MedicationRequest is."""
    place, body = resource.place, resource.body
    try:
        only_known(body)
        if resource.status in ("entered-in-error", "cancelled", "stopped"):
            yield Fact(resource.key("*"), "", {}, None, None, place, "retracted")
            return
        if resource.status != "active" or text_of(body.get("intent")) not in (
            "order",
            "original-order",
            "instance-order",
        ):
            yield Passed(place, "no active order")
            return
        drug = _drug(resource, profile)
        if drug is None:
            yield Passed(place, "a drug of no twin")
            return
        if body.get("doNotPerform") is True:
            yield Passed(place, "an order not to give")
            return
        instructions = listed(body.get("dosageInstruction"))
        if len(instructions) != 1:
            raise NotAFact("incomplete", "one 'dosageInstruction' makes a plan")
        instruction = instructions[0]
        if instruction.get("asNeededBoolean") is True or instruction.get("asNeededCodeableConcept"):
            yield Passed(place, "a dose as needed, which no plan foresees")
            return
        route = _route(instruction.get("route"))
        rate = next(iter(listed(instruction.get("doseAndRate"))), {})
        amount = _amount(rate.get("doseQuantity"), profile)
        hours = _length(rate) or _repeated_length(instruction.get("timing"))
        if route == "iv" and hours is None and not _pushed(instruction):
            raise NotAFact("incomplete", "an infusion without its length (timing.repeat.duration)")
        duration = Quantity(value=hours, unit="h") if hours is not None else None
        times = list(islice(_times(instruction.get("timing")), MOST_DOSES + 1))
        if len(times) > MOST_DOSES:
            raise NotAFact("incomplete", f"more than {MOST_DOSES} doses; a plan has its end (count or boundsPeriod)")
        if not times:
            raise NotAFact("incomplete", "a plan without a dose: 'boundsPeriod' ends before or as it begins")
        doses = tuple({"time": time, "amount": amount, "duration": duration} for time in times)
        subject = resource.subject(profile.pseudonyms)
        where = {"protocol": _protocol(body), "ward": _ward(resource)}
        fields = {"drug": drug, "route": route, "doses": doses} | {name: said for name, said in where.items() if said}
        yield Fact(resource.key("plan"), "regimen_planned", fields, subject, times[0], place)
    except NotAFact as error:
        yield Refusal(place, error.reason, error.detail)


def _protocol(body: Json) -> str | None:
    """By what it was ordered: the last part of the definition's canonical address, without version."""
    said = body.get("instantiatesCanonical") or body.get("instantiatesUri")
    first = next((text_of(one) for one in said), "") if isinstance(said, list) else ""
    return re.split(r"[/:]", first.partition("|")[0].rstrip("/"))[-1] or None


def _ward(resource: Resource) -> str | None:
    """Where it was ordered: the ward of its encounter, by identifier or id; None where that is not one."""
    encounter = resource.refer(resource.body.get("encounter"))
    there = [one for one in listed(member(encounter, "location")) if text_of(one.get("status")) in ("", "active")]
    wards = [one for one in there if any(each.code == "wa" for each in codings(one.get("physicalType")))]
    if len(found := wards or there) != 1:
        return None
    location = found[0].get("location")
    named = text_of(member(location, "identifier", "value"))
    return named or text_of(member(location, "reference")).rpartition("/")[2] or None


def _is_course(body: Json, dosage: Json) -> bool:
    """Whether it is of more doses than one: of a period, or with a timing."""
    period = body.get("effectivePeriod")
    return dosage.get("timing") is not None or member(period, "end") != member(period, "start")


def _agree(dosage: Json, dose: object, hours: float) -> None:
    """Refuse an infusion whose rate, where it is one of drug, does not make the dose in its time.

    Raises:
        NotAFact: ``contradictory``.
    """
    said = dosage.get("rateQuantity") or member(dosage, "rateRatio", "numerator")
    unit = text_of(member(said, "code")) or text_of(member(said, "unit"))
    per = member(dosage, "rateRatio", "denominator")
    number, time = finite(member(said, "value")), finite(member(per, "value")) if per is not None else 1.0
    if per is not None:
        unit = f"{unit}/{text_of(member(per, 'code')) or text_of(member(per, 'unit'))}"
    amount = text_of(member(dose, "code")) or text_of(member(dose, "unit"))
    try:
        given = convert(float(member(dose, "value")), amount, "mg")
        flowed = convert(number / time, unit, "mg/h") * hours if number is not None and time else given
    except UnitError:
        return
    if abs(flowed - given) > 0.1 * given:
        raise NotAFact("contradictory", "rate times length is not the dose, by more than a tenth")


def _repeated_length(timing: object) -> float | None:
    """Hours that each administration of a timing takes."""
    repeat = member(timing, "repeat")
    number, unit = finite(member(repeat, "duration")), text_of(member(repeat, "durationUnit"))
    return number * _PERIODS[unit] if number is not None and number > 0 and unit in _PERIODS else None


def _drug(resource: Resource, profile: Profile) -> str | None:
    """The drug of the formulary; None where it is another.

    Raises:
        NotAFact: ``unknown_drug`` where nothing says which it is, or a name speaks of one that no code is of.
    """
    concept, reference = resource.body.get("medicationCodeableConcept"), resource.body.get("medicationReference")
    called = text_of(member(reference, "display"))
    if concept is None:
        medication = resource.refer(reference)
        concept = member(medication, "code") or _only_ingredient(medication)
        if medication is None and not called:
            raise NotAFact("unknown_drug", "no Medication where 'medicationReference' points to; send it along")
    texts = [text for text in (text_of(member(concept, "text")), called) if text]
    return profile.codes.drug([*codings(concept), *(Coding("", "", text) for text in texts)])


def _only_ingredient(medication: object) -> object:
    """What a medication without a code of its own consists of, where that is one thing."""
    ingredients = listed(member(medication, "ingredient"))
    active = [one for one in ingredients if one.get("isActive") is not False]
    return active[0].get("itemCodeableConcept") if len(active) == 1 else None


def _amount(dose: object, profile: Profile) -> Quantity:
    number = finite(member(dose, "value"))
    if number is None:
        raise NotAFact("incomplete", "no amount of the dose")
    said = text_of(member(dose, "code")) or text_of(member(dose, "unit"))
    unit = profile.means.get(said, said)
    if not unit:
        raise NotAFact("no_unit", "a dose without its unit")
    try:
        convert(number, unit, "mg")
    except UnitError:
        raise NotAFact("incomplete", f"a dose in {shown(unit)} is no mass of the drug; send it in mg or g") from None
    return Quantity(value=number, unit=unit)


def _route(concept: object) -> str:
    found = {ROUTES[coding.code] for coding in codings(concept) if coding.code in ROUTES}
    if len(found) != 1:
        raise NotAFact("incomplete", "no route of the dose that models have (intravenous, oral, sc, im, ip)")
    return found.pop()


def _when(body: Json, dosage: Json, route: str) -> tuple[Moment | None, float | None]:
    """When it began, and for how many hours it went in, where the route lets a dose take time."""
    at, period = moment(body.get("effectiveDateTime")), body.get("effectivePeriod")
    start, end = moment(member(period, "start")), moment(member(period, "end"))
    if route != "iv":
        return at or start, None
    if start is not None and end is not None and start.resolution == end.resolution == "instant":
        if (start.at.tzinfo is None) != (end.at.tzinfo is None):
            raise NotAFact("contradictory", "one end of 'effectivePeriod' has an offset, the other none")
        hours = (end.at - start.at).total_seconds() / 3600
        if hours < 0:
            raise NotAFact("contradictory", "'effectivePeriod' ends before it starts")
        return start, hours or None
    return at or start, _length(dosage)


def _length(rate: Json) -> float | None:
    """Hours that a rate in the unit of a time is: a length in disguise, as some servers write it."""
    said = rate.get("rateQuantity")
    number, unit = finite(member(said, "value")), text_of(member(said, "code")) or text_of(member(said, "unit"))
    try:
        return convert(number, unit, "h") if number is not None and unit else None
    except UnitError:
        return None


def _pushed(dosage: Json) -> bool:
    return any(coding.code in _PUSHES for name in ("method", "route") for coding in codings(dosage.get(name)))


def _times(timing: object) -> Iterator[Moment]:
    """The times of a plan (hl7.org/fhir/R4/datatypes.html#Timing): its events, or what repeats from a start on.

    Raises:
        NotAFact: ``no_time`` or ``incomplete``.
    """
    listed_ = member(timing, "event")
    events = [found for one in (listed_ if isinstance(listed_, list) else []) if (found := moment(one)) is not None]
    if events:
        yield from sorted(events, key=lambda one: one.at.isoformat())
        return
    repeat = member(timing, "repeat")
    if unread := [name for name in _NOT_READ if member(repeat, name) is not None]:
        raise NotAFact("unsupported", f"timing.repeat.{unread[0]} is not read; send the times (timing.event)")
    start = moment(member(repeat, "boundsPeriod", "start"))
    if start is None:
        raise NotAFact("no_time", "no time of the first dose (timing.event, or timing.repeat.boundsPeriod.start)")
    said, period = finite(member(repeat, "frequency")), finite(member(repeat, "period"))
    frequency = 1.0 if said is None else said
    unit = text_of(member(repeat, "periodUnit"))
    if start.resolution != "instant":
        raise NotAFact("time_too_coarse", "a plan begins at an instant, with its offset")
    if period is None or not 0 < period < _LONGEST or not 0 < frequency < _LONGEST or unit not in _PERIODS:
        raise NotAFact("incomplete", "how often stands in 'period' and 'periodUnit' (s, min, h, d, wk)")
    step = timedelta(hours=period * _PERIODS[unit] / frequency)
    end, count = moment(member(repeat, "boundsPeriod", "end")), finite(member(repeat, "count"))
    if member(repeat, "count") is not None and (count is None or count < 1 or count != int(count)):
        raise NotAFact("incomplete", "'count' of a plan is a whole number, 1 or more")
    if end is None and count is None:
        raise NotAFact("incomplete", "a plan without an end ('count' or 'boundsPeriod.end')")
    time, given = start, 0
    while (count is None or given < count) and (end is None or _before(time, end)) and given <= MOST_DOSES:
        yield time
        time, given = later(time, step), given + 1


def _before(time: Moment, end: Moment) -> bool:
    if end.resolution != "instant":
        return time.at.date() <= end.at.date()
    if (time.at.tzinfo is None) != (end.at.tzinfo is None):
        raise NotAFact("contradictory", "one end of 'boundsPeriod' has an offset, the other none")
    return time.at < end.at
