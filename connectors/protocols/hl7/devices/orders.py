"""Orders to pumps (IHE PCD-03, RGV^O15) as what is planned, and never as what was given."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.facts.fact import Fact, Found, NotAFact, Passed, Refusal, shown
from connectors.facts.profile import Profile
from connectors.protocols.hl7.groups import Group, subject_of, zone_of
from connectors.protocols.hl7.message import Message, Segment
from connectors.protocols.hl7.stamps import moment
from connectors.protocols.hl7.values import codings, number, unit
from twin.events import Quantity, Status
from twin.units import UnitError, convert

ROUTES = {"IV": "iv", "IVP": "iv", "IVPB": "iv", "PO": "oral", "SC": "sc", "SQ": "sc", "IM": "im", "IP": "ip"}
"""HL7 table 0162, as far as models have routes."""

ASSUMED_START = "assumed-start"
"""Manner of a plan whose order has no time: it is assumed to begin when the order was sent."""

_WEIGHT = "MDC_ATTR_PT_WEIGHT"


def read_order(message: Message, profile: Profile) -> Iterator[Found]:
    """The plans of an RGV^O15."""
    orders: list[list[Segment]] = []
    for segment in message.segments:
        if segment.name == "ORC":
            orders.append([])
        if orders:
            orders[-1].append(segment)
    if not orders:
        yield Refusal("message", "malformed", "an RGV^O15 without ORC")
    for number_, segments in enumerate(orders, start=1):
        place = f"ORC[{number_}]"
        try:
            yield _plan(message, segments, place, profile)
        except NotAFact as error:
            yield Refusal(place, error.reason, error.detail)


def _plan(message: Message, segments: list[Segment], place: str, profile: Profile) -> Found:
    of = {segment.name: segment for segment in reversed(segments)}
    control, given = of["ORC"], of.get("RXG")
    if not control(2):
        raise NotAFact("incomplete", "no number of the order (ORC-2), by which a change would be known")
    key = ("hl7-order", message.header.raw(3), control(2))
    if control(1) in ("CA", "DC", "OC", "CR"):
        return Fact(key, "regimen_planned", {}, None, None, place, "retracted")
    subject = subject_of(Group(patient=next(message.of("PID"), None)), profile)
    if given is None:
        return Passed(place, "an order without RXG")
    drug = profile.codes.drug(codings(given, 4))
    if not codings(given, 4):
        return Passed(place, "a carrier without a drug")
    if drug is None:
        raise NotAFact("unknown_drug", "RXG-4 is no drug of the formulary; add it to the profile under [drugs]")
    zone = zone_of(message)
    timing = of.get("TQ1")
    told = moment(control(9), zone) or (moment(timing(7), zone) if timing is not None else None)
    start = told or moment(message.header(7), zone)
    amount, hours = _amount(given, segments, profile)
    said = (of["RXR"](1) if "RXR" in of else "IV").upper()
    route = ROUTES.get(said)
    if route is None:
        raise NotAFact("unsupported", "RXR-1 is no route that models have (IV, PO, SC, IM, IP)")
    if route == "iv" and said != "IVP" and hours is None:
        raise NotAFact("incomplete", "an infusion without its rate (RXG-15, RXG-16), which says how long it takes")
    dose = {"time": start, "amount": amount, "duration": Quantity(value=hours, unit="h") if hours else None}
    if start is None:
        raise NotAFact("no_time", "neither ORC-9, TQ1-7 nor MSH-7 says when it begins")
    status: Status = "corrected" if control(1) in ("XO", "XX") else "final"
    visit = next(message.of("PV1"), None)
    ward = visit(3) if visit is not None else ""  # point of care
    fields = {"drug": drug, "route": route, "doses": (dose,)} | ({"ward": ward} if ward else {})
    return Fact(key, "regimen_planned", fields, subject, start, place, status, manner="" if told else ASSUMED_START)


def _amount(given: Segment, segments: list[Segment], profile: Profile) -> tuple[Quantity, float | None]:
    """The drug's amount in mg, and how many hours it takes.

    RXG-5 and RXG-7 are a volume or a dose; RXG-15 and 16 a flow, a dose rate, or one for each kg of RXG's OBX of
    weight; RXG-17, 18 and RXG-23, 24 the strength and the volume that it is in.
    """
    total, strength, diluent = (_quantity(given, *fields, profile) for fields in ((5, 7), (17, 18), (23, 24)))
    if total is None:
        raise NotAFact("incomplete", "no amount or volume to be given (RXG-5, RXG-7)")
    volume, mg = _as(total, "mL"), _as(total, "mg")
    strength_mg = _as(strength, "mg") if strength is not None else None
    diluent_ml = _as(diluent, "mL") if diluent is not None else None
    concentration = strength_mg / diluent_ml if strength_mg and diluent_ml else None
    if concentration is None and strength is not None:
        concentration = _as(strength, "mg/mL")
    if mg is None and volume is not None and concentration is not None:
        mg = volume * concentration
    if mg is None:
        raise NotAFact("incomplete", "no amount of the drug: neither a mass nor a volume with strength and diluent")
    return Quantity(value=round(mg, 9), unit="mg"), _hours(given, segments, profile, mg, volume)


def _hours(given: Segment, segments: list[Segment], profile: Profile, mg: float, volume: float | None) -> float | None:
    rate = _quantity(given, 15, 16, profile)
    if rate is None:
        return None
    if (flow := _as(rate, "mL/h")) and volume:
        return volume / flow
    if dose_rate := _as(rate, "mg/h"):
        return mg / dose_rate
    if per_kg := _as(rate, "mg/kg/h"):
        kg = _weight(segments, profile)
        return mg / (per_kg * kg)
    raise NotAFact("unknown_unit", f"RXG-16 {shown(rate.unit)} is no flow, dose rate, or dose rate for a body weight")


def _weight(segments: list[Segment], profile: Profile) -> float:
    for segment in segments:
        if segment.name == "OBX" and any(coding.name == _WEIGHT for coding in codings(segment, 3)):
            value = number(segment)
            text = unit(segment, 6)
            kg = _as(Quantity(value=value.value, unit=profile.means.get(text, text)), "kg") if value and text else None
            if kg:
                return kg
    raise NotAFact("incomplete", "a rate for each kg, and no weight (OBX MDC_ATTR_PT_WEIGHT)")


def _quantity(given: Segment, value: int, unit_: int, profile: Profile) -> Quantity | None:
    text = given(value)
    if not text:
        return None
    code = unit(given, unit_)
    if not code:
        raise NotAFact("no_unit", f"RXG-{value} without its unit in RXG-{unit_}")
    try:
        return Quantity(value=float(text), unit=profile.means.get(code, code))
    except ValueError:
        raise NotAFact("malformed", f"RXG-{value} is no number") from None


def _as(quantity: Quantity, unit_: str) -> float | None:
    try:
        return convert(quantity.value, quantity.unit, unit_)
    except UnitError:
        return None
