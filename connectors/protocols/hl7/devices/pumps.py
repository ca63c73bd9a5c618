"""Infusion pumps: events (IHE PCD-10, ORU^R42) and periodic reports (PCD-01, ORU^R01) as what was delivered.

What flows is `MDC_FLOW_FLUID_PUMP_CURRENT` and the volume counters; what was programmed is told beside it and never
instead of it. An event is of the channel that it names. A drug is known by the order's code or by the label, through
the formulary and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.facts.codes import Coding
from connectors.facts.fact import Fact, Found, NotAFact, Passed, Refusal
from connectors.facts.profile import Profile
from connectors.facts.units_of_sources import quantity
from connectors.protocols.hl7.devices.containment import TERMS, Devices, Path, is_valid, path_of, term_of
from connectors.protocols.hl7.groups import groups, zone_of
from connectors.protocols.hl7.message import Message, Segment
from connectors.protocols.hl7.stamps import stamp_of
from connectors.protocols.hl7.values import codings, number, unit
from twin.events import Quantity
from twin.units import UnitError, convert

_EVENT = ("MDC_ATTR_EVT_COND",)
_SOURCE = ("MDC_ATTR_EVT_SOURCE",)
_FLOW = ("MDC_FLOW_FLUID_PUMP_CURRENT",)
_PROGRAMMED = ("MDC_FLOW_FLUID_PUMP",)
_CONCENTRATION = ("MDC_CONC_DRUG",)
_DOSE_RATE = ("MDC_RATE_DOSE",)
_WEIGHT = ("MDC_ATTR_PT_WEIGHT",)
_LABEL = ("MDC_DRUG_NAME_LABEL", "MDC_DRUG_NAME_TYPE")
_DELIVERY = ("MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS",)
_INFUSING = ("MDC_PUMP_INFUSING_STATUS", "MDC_PUMP_STAT")
_REASON = ("MDC_DEV_PUMP_NOT_DELIVERING_REASON",)
_TOTAL = ("MDC_VOL_FLUID_DELIV_TOTAL", "MDC_VOL_FLUID_DELIV_TOTAL_SET")
_SEGMENT = ("MDC_VOL_FLUID_DELIV",)
_OF_DELIVERY = (*_FLOW, *_PROGRAMMED, *_DELIVERY, *_INFUSING)
"""A periodic report without any of these is of the counter alone."""

PHASES = {
    "MDC_EVT_PUMP_DELIV_START": "start",
    "MDC_EVT_PUMP_DELIV_STOP": "stop",
    "MDC_EVT_PUMP_DELIV_COMP": "complete",
}
"""Events of IHE PCD-10 that say how a delivery goes on."""

_DELIVERED = {
    "delivering": "delivering",
    "not-delivering": "not-delivering",
    "transitioning": "transitioning",
    "kvo": "kvo",
}

_STATUS_OF_INFUSING = {
    "pump-status-infusing": "delivering",
    "pump-status-not-infusing": "not-delivering",
    "pump-status-paused": "not-delivering",
    "pump-status-vtbi-complete": "not-delivering",
    "pump-status-kvo": "kvo",
}


def read_infusion_event(message: Message, profile: Profile) -> Iterator[Found]:
    """The facts of an ORU^R42."""
    zone = zone_of(message)
    for group in groups(message):
        if group.order is None and not group.results:
            continue
        devices = Devices(group, zone, profile)
        condition = devices.find(_EVENT)
        place = f"OBR[{group.number}]"
        said = devices.term(_EVENT).replace("MDCX_", "MDC_", 1)
        phase = PHASES.get(TERMS.get(said, said))
        if condition is None:
            yield Refusal(place, "incomplete", "no condition of the event (MDC_ATTR_EVT_COND)")
        elif phase is None:
            yield Passed(place, "an event that changes no delivery")
        else:
            yield from _told(devices, place, phase, profile)


def read_periodic(message: Message, profile: Profile) -> Iterator[Found]:
    """What pumps say in an ORU^R01 of IHE PCD-01: a report for each module that has a flow, of its source's channel."""
    zone = zone_of(message)
    for group in groups(message):
        devices = Devices(group, zone, profile)
        modules = {path[:2] for _, result, path in devices.metrics if term_of(result) in (*_FLOW, *_TOTAL)}
        for module in sorted(modules):
            place = f"OBR[{group.number}].{'.'.join(module)}"
            try:
                channel = _active(devices, module)
            except NotAFact as error:
                yield Refusal(place, error.reason, error.detail)
                continue
            yield from _told(devices, place, "sample", profile, channel)


def _active(devices: Devices, module: Path) -> Path:
    """The channel of the module's source that delivers: its only one, or the only one that is not said to stand.

    Raises:
        NotAFact: ``incomplete`` where several do, or nothing says which.
    """
    of_source = (*_CONCENTRATION, *_PROGRAMMED, *_LABEL, *_TOTAL)
    sources = {path[:3] for _, result, path in devices.metrics if path[:2] == module and term_of(result) in of_source}
    if len(sources) > 1:
        sources = {
            path for path in sources if devices.term(_DELIVERY, path) not in ("", "pump-delivery-status-not-delivering")
        }
        if len(sources) != 1:
            raise NotAFact("incomplete", "several sources in one module, and not one that is said to deliver")
    return sources.pop() if sources else module


def _told(devices: Devices, place: str, phase: str, profile: Profile, channel: Path = ()) -> Iterator[Found]:
    """What an event or a report says was delivered, and the counter beside it."""
    try:
        within = channel or _source(devices)
        subject = devices.subject(profile)
        anchor = devices.find(_EVENT) or devices.find((*_FLOW, *_TOTAL), within[:2])
        assert anchor is not None
        time = devices.time(anchor, path_of(anchor))
        device = devices.channel_of(within)
        if not device:
            raise NotAFact("unknown_device", "no device in OBX-18 of the observations")
        drug = _drug(devices, within, profile)
        concentration = _quantity(devices, _CONCENTRATION, "mg/mL", within, profile)
    except NotAFact as error:
        yield Refusal(place, error.reason, error.detail)
        return
    key = ("hl7-pump", device, devices.group.order(3) if devices.group.order else "", stamp_of(time))
    shared = {"device_id": device, "drug": drug} | ({"concentration": concentration} if concentration else {})
    if phase != "sample" or devices.find(_OF_DELIVERY, within[:2]) is not None:
        try:
            yield Fact((*key, phase), "pump_delivery", shared | _delivery(devices, within, phase, profile),
                       subject, time, place)  # fmt: skip
        except NotAFact as error:
            yield Refusal(place, error.reason, error.detail)
    try:
        if (delivered := _counter(devices, within, phase, profile)) is not None:
            yield Fact(
                (*key, "total"), "pump_totals", shared | {"delivered": delivered}, subject, time, f"{place}.total"
            )
    except NotAFact as error:
        yield Refusal(f"{place}.total", error.reason, error.detail)


def _source(devices: Devices) -> Path:
    """The channel that an event is of: it names it, or in the form of 2010 the device has one that is a source."""
    if named := tuple(part for part in devices.term(_SOURCE).split(".") if part not in ("", "0")):
        return named
    return next((path[:3] for _, result, path in devices.metrics if _contains(result, "CHAN_SOURCE")), ())


def _contains(result: Segment, part: str) -> bool:
    return any(part in coding.name for coding in codings(result, 3))


def _delivery(devices: Devices, within: Path, phase: str, profile: Profile) -> dict[str, object]:
    said = devices.term(_DELIVERY, within) or devices.term(_DELIVERY, within[:2])
    status = _DELIVERED.get(said.removeprefix("pump-delivery-status-"))
    status = status or _STATUS_OF_INFUSING.get(devices.term(_INFUSING, within[:2]))
    if status is None:
        raise NotAFact("incomplete", "no delivery status, without which a flow is no delivery")
    flow = _flow(devices, within, profile)
    if flow is None:
        if status != "not-delivering":
            raise NotAFact("incomplete", "no current flow; the programmed one is not what flows")
        flow = Quantity(value=0.0, unit="mL/h")
    if status == "not-delivering" and flow.value > 0:
        raise NotAFact("contradictory", "not delivering, with a flow above zero")
    if status in ("delivering", "kvo") and flow.value == 0:
        raise NotAFact("contradictory", "delivering, with a flow of zero")
    fields: dict[str, object] = {"phase": phase, "delivery_status": status, "rate": flow}
    if programmed := _quantity(devices, _PROGRAMMED, "mL/h", within, profile):
        fields["programmed_rate"] = programmed
    _agree(devices, within, profile, flow, fields.get("programmed_rate"))
    if reason := devices.term(_REASON, within) or devices.term(_REASON, within[:2]):
        fields["not_delivering_reason"] = reason[:64]
    return fields


def _agree(devices: Devices, within: Path, profile: Profile, flow: Quantity, programmed: object) -> None:
    """Refuse a delivery whose dose rate is not its flow times its concentration: one of the three is wrong.

    Raises:
        NotAFact: ``contradictory``.
    """
    of_volume = programmed if isinstance(programmed, Quantity) else flow
    concentration = _quantity(devices, _CONCENTRATION, "mg/mL", within, profile)
    said = devices.number(_DOSE_RATE, within)
    if said is None or concentration is None or of_volume.value == 0 or not unit(said[1], 6):
        return
    text = profile.means.get(unit(said[1], 6), unit(said[1], 6))
    weight = _quantity(devices, _WEIGHT, "kg", (), profile)
    try:
        if weight is None:
            dose_rate = convert(said[0].value, text, "mg/h")
        else:
            dose_rate = convert(said[0].value, text, "mg/kg/h") * convert(weight.value, weight.unit, "kg")
    except UnitError:
        return
    flowing = convert(of_volume.value, of_volume.unit, "mL/h") * convert(
        concentration.value, concentration.unit, "mg/mL"
    )
    if abs(dose_rate - flowing) > 0.15 * max(dose_rate, flowing):
        raise NotAFact("contradictory", "the dose rate is not flow times concentration, by more than a seventh")


def _flow(devices: Devices, within: Path, profile: Profile) -> Quantity | None:
    """What flows. In the form of 2010 it has the term of what is programmed, in the channel of the delivery."""
    for place in (within, within[:2]):
        if found := _quantity(devices, _FLOW, "mL/h", place, profile):
            return found
    for _, container, channel in devices.metrics:
        if channel[:2] == within[:2] and _contains(container, "CHAN_DELIVERY"):
            return _quantity(devices, _PROGRAMMED, "mL/h", channel, profile)
    return None


def _counter(devices: Devices, within: Path, phase: str, profile: Profile) -> Quantity | None:
    """The counter: the total, or in the form of 2010 the segment's volume where that is all there is."""
    found = _quantity(devices, _TOTAL, "mL", within, profile) or _quantity(devices, _TOTAL, "mL", within[:2], profile)
    if found is None and phase in ("stop", "complete") and devices.find(_DELIVERY) is None:
        found = _quantity(devices, _SEGMENT, "mL", within, profile)
    return found


def _quantity(
    devices: Devices, names: tuple[str, ...], measures: str, within: Path, profile: Profile
) -> Quantity | None:
    found = devices.find(names, within)
    return None if found is None else _as_quantity(found, measures, profile)


def _as_quantity(result: Segment, measures: str, profile: Profile) -> Quantity | None:
    if not is_valid(result) or (
        result(11) in ("X", "N", "D", "W") and not (profile.values_without_result and result(11) == "X")
    ):
        return None  # a number that its pump does not claim
    value = number(result)
    if value is None:
        return None
    if value.side:
        raise NotAFact("not_a_reading", "a flow, volume or concentration that is only known to a limit")
    return quantity(value.value, unit(result, 6), measures, means=profile.means, low=0.0)


def _drug(devices: Devices, within: Path, profile: Profile) -> str:
    order = devices.group.order
    label = devices.find(_LABEL, within) or devices.find(_LABEL, within[:2])
    given = list(codings(order, 4)) if order is not None else []
    given += [Coding("", "", label(5))] if label is not None else []
    drug = profile.codes.drug(given)
    if drug is None:
        mend = "add it to the profile: [drugs] 'SYSTEM|CODE' or '|label' = the drug"
        raise NotAFact(
            "unknown_drug", f"neither the order's code nor the pump's label is a drug of the formulary; {mend}"
        )
    return drug
