"""Events as messages of HL7 v2: results (ORU^R01), monitors and pumps' reports (IHE PCD-01), infusion events (PCD-10).

Of each event at most one message. What HL7 has no exact word for is left to our own JSON: enrolment, the clock, doses
given by hand (no reader of RAS^O17 yet), plans (an order of PCD-03 is one infusion that begins at its own time),
bindings of devices, and pumps that tell mass and not volume.

    lab_result, drug_level, covariate     ORU^R01      OBX, at the time of SPM-17 and OBR-7
    vital_sample                          ORU^R01      PCD-01, a metric of the device in OBX-18
    pump_delivery of phase sample         ORU^R01      PCD-01
    pump_totals                           ORU^R01      PCD-01, the counter alone
    pump_delivery start, stop, complete   ORU^R42      PCD-10
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

from connectors.facts.codes import Coding
from connectors.protocols.hl7.devices.pumps import PHASES
from connectors.speaking.words import OWN, Words, hospital_number, is_plain
from twin.events import (
    ClinicalEnvelope,
    Covariate,
    DrugLevel,
    InputEvent,
    LabResult,
    PumpDelivery,
    PumpTotals,
    Quantity,
    Status,
    VitalSample,
    event_id,
)
from twin.units import UnitError, convert

_STATUS: dict[Status, str] = {"preliminary": "P", "final": "F", "corrected": "C", "retracted": "D"}
"""HL7 table 0085."""

_EVENTS = {phase: term for term, phase in PHASES.items()}

_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"})

_PUMP = "70049^MDC_DEV_PUMP_INFUS_LVP_MDS^MDC"
_MONITOR = "69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC"
_PCD_01 = "IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
_PCD_10 = "IHE_PCD_010^IHE PCD^1.3.6.1.4.1.19376.1.6.1.10.1^ISO"

Metric = tuple[str, str, str, str, str]
"""OBX-2 to OBX-6: type, what it is, place, value, unit."""


class Message(NamedTuple):
    """A message, and what kind of one it is."""

    kind: str
    text: bytes


@dataclass(frozen=True)
class Hl7Writer:
    """Writes the messages of a ward with these words."""

    words: Words

    def __call__(self, event: InputEvent, sent: datetime) -> Message | None:
        """The message that says this event, sent at a time; None where HL7 cannot say it exactly."""
        if not isinstance(event, ClinicalEnvelope) or event.sequence is not None or event.time.microsecond % 100:
            return None
        match event:
            case LabResult() | DrugLevel() | Covariate():
                return self._result(event, sent)
            case VitalSample():
                return self._reading(event, sent)
            case PumpDelivery() | PumpTotals() if _of_volume(event):
                return _pump(event, sent)
        return None

    def _result(self, event: LabResult | DrugLevel | Covariate, sent: datetime) -> Message | None:
        coding = self.words.coding(event)
        if coding is None or event.value is None or not (isinstance(event, Covariate) or is_plain(event)):
            return None
        of_blood = isinstance(event, DrugLevel) or coding.system != OWN
        side = "" if isinstance(event, Covariate) else "<" if event.below_lloq else ">" if event.above_uloq else ""
        value = ("SN", f"{side}^{_digits(event.value)}") if side else ("NM", _digits(event.value))
        time, status = stamp(event.time), _STATUS[event.status]
        number = _text(f"{event.patient_id}-{time[:14]}")
        order = {1: "1", 3: number, 4: _coded(coding), 7: time, 25: status}
        if isinstance(event, LabResult | DrugLevel) and event.reported is not None:
            if event.reported.microsecond % 100:
                return None
            order[22] = stamp(event.reported)
        result = {1: "1", 2: value[0], 3: _coded(coding), 4: "1", 5: value[1], 6: _unit(event.value), 11: status}
        specimen = [_segment("SPM", {1: "1", 4: "BLD", 17: time})] if of_blood else []
        return _message("ORU^R01^ORU_R01", event, sent, "", [("OBR", order), ("OBX", result)], specimen)

    def _reading(self, event: VitalSample, sent: datetime) -> Message | None:
        coding = self.words.coding(event)
        if coding is None or event.status != "final" or event.clock_behind is not None:
            return None
        metric = ("NM", _coded(coding), "1.1.1.1", _digits(event.value), _unit(event.value))
        order = {1: "1", 3: _text(event.device_id), 4: "182777000^monitoring^SCT", 7: stamp(event.time)}
        return _of_device("ORU^R01^ORU_R01", _PCD_01, event, sent, order, _MONITOR, [metric])


def _pump(event: PumpDelivery | PumpTotals, sent: datetime) -> Message | None:
    order = {1: "1", 3: _text(f"{event.device_id}-{event.drug}"), 4: f"^{_text(event.drug)}", 7: stamp(event.time)}
    if event.status != "final":
        return None
    metrics = [_number("158014^MDC_FLOW_FLUID_PUMP_CURRENT", "1.1.1.1", event.rate)] if isinstance(
        event, PumpDelivery) else []  # fmt: skip
    if isinstance(event, PumpTotals):
        metrics.append(_number("157993^MDC_VOL_FLUID_DELIV_TOTAL", "1.1.1.5", event.delivered))
    else:
        said = f"^pump-delivery-status-{event.delivery_status}^MDC"
        metrics.append(_term("158005^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS", "1.1.1.2", said))
        if event.programmed_rate is not None:
            metrics.append(_number("157784^MDC_FLOW_FLUID_PUMP", "1.1.1.3", event.programmed_rate))
        if event.not_delivering_reason is not None:
            reason = f"^{_text(event.not_delivering_reason)}^MDC"
            metrics.append(_term("158006^MDC_DEV_PUMP_NOT_DELIVERING_REASON", "1.1.1.6", reason))
    if event.concentration is not None:
        metrics.append(_number("157760^MDC_CONC_DRUG", "1.1.1.4", event.concentration))
    if isinstance(event, PumpTotals) or event.phase == "sample":
        return _of_device("ORU^R01^ORU_R01", _PCD_01, event, sent, order, _PUMP, metrics)
    happened = [
        _term("68487^MDC_ATTR_EVT_COND", "1.0.0.1", f"^{_EVENTS[event.phase]}^MDC"),
        ("ST", "68488^MDC_ATTR_EVT_SOURCE^MDC", "1.0.0.2", "1.1.1.0", ""),
    ]
    return _of_device("ORU^R42^ORU_R01", _PCD_10, event, sent, order, _PUMP, [*happened, *metrics])


def _of_volume(event: PumpDelivery | PumpTotals) -> bool:
    """Whether a pump tells volumes by a right clock, and flows only while it delivers: what IHE PCD has terms for."""
    if event.clock_behind is not None:
        return False
    if isinstance(event, PumpTotals):
        return _is(event.delivered, "mL") and _is(event.concentration, "mg/mL")
    rates = _is(event.rate, "mL/h") and (event.programmed_rate is None or _is(event.programmed_rate, "mL/h"))
    stands = event.delivery_status == "not-delivering"
    flows = event.delivery_status in ("delivering", "kvo")
    agrees = not (stands and event.rate.value > 0) and not (flows and event.rate.value == 0)
    return rates and agrees and _is(event.concentration, "mg/mL")


def _is(quantity: Quantity | None, unit: str) -> bool:
    try:
        return quantity is None or convert(quantity.value, quantity.unit, unit) >= 0
    except UnitError:
        return False


def _of_device(
    kind: str,
    profile: str,
    event: VitalSample | PumpDelivery | PumpTotals,
    sent: datetime,
    order: Mapping[int, str],
    device: str,
    metrics: Iterable[Metric],
) -> Message:
    itself = {1: "1", 3: device, 4: "1.0.0.0", 11: "X", 18: _text(event.device_id)}
    said = [("OBX", itself)]
    for number, (type_, what, place, value, unit) in enumerate(metrics, start=2):
        said.append(("OBX", {1: str(number), 2: type_, 3: what, 4: place, 5: value, 6: unit, 11: "F"}))
    return _message(kind, event, sent, profile, [("OBR", order), *said])


def _message(
    kind: str,
    event: ClinicalEnvelope,
    sent: datetime,
    profile: str,
    segments: Iterable[tuple[str, Mapping[int, str]]],
    more: Iterable[str] = (),
) -> Message:
    """The whole message, which asks for an accept acknowledgement (IHE PCD TF-2, appendix G)."""
    header = {  # MSH-1 is the delimiter itself, so MSH-n stands at n - 1
        2: OWN, 3: "DOSETWIN", 6: stamp(sent), 8: kind, 9: event_id(event.event_id)[:20], 10: "P", 11: "2.6",
        14: "AL", 15: "NE", 17: "UNICODE UTF-8", 20: profile,
    }  # fmt: skip
    patient = {1: "1", 3: f"{_text(hospital_number(event.patient_id))}^^^{OWN}^MR"}
    lines = [_segment("MSH", {1: "^~\\&", **header}), _segment("PID", patient)]
    lines += [*(_segment(name, fields) for name, fields in segments), *more]
    return Message(kind.rpartition("^")[0], "".join(f"{line}\r" for line in lines).encode())


def stamp(moment: datetime) -> str:
    """A time of HL7 to the tenth of a ms, with its offset.

    One at midnight is told by the clock of one hour further east: midnight to the second is taken for a date whose
    hours somebody filled with zeros.
    """
    at = moment.astimezone(UTC)
    if (at.hour, at.minute, at.second) == (0, 0, 0):
        at = at.astimezone(timezone(timedelta(hours=1)))
    return f"{at:%Y%m%d%H%M%S}.{at.microsecond // 100:04d}{at:%z}"


def _number(what: str, place: str, quantity: Quantity) -> Metric:
    return "NM", f"{what}^MDC", place, _digits(quantity), _unit(quantity)


def _term(what: str, place: str, said: str) -> Metric:
    return "CWE", f"{what}^MDC", place, said, ""


def _digits(quantity: Quantity) -> str:
    """The number with as many digits as its float needs; HL7's NM has no exponent."""
    return format(Decimal(repr(quantity.value)), "f")


def _unit(quantity: Quantity) -> str:
    return f"{_text(quantity.unit)}^^UCUM"


def _coded(coding: Coding) -> str:
    return f"{_text(coding.code)}^{_text(coding.name)}^{_text(coding.system)}"


def _text(said: str) -> str:
    return said.translate(_ESCAPES)


def _segment(name: str, fields: Mapping[int, str]) -> str:
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])
