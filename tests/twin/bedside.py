"""Input events of one patient, as short as they are said at a bedside: ``level(3.5, 1.2)`` is 1.2 mg/L at 3.5 h."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from twin import PatientTwin
from twin.events import (
    Alert,
    Clock,
    Covariate,
    DeviceAlert,
    DeviceAssociation,
    DoseGiven,
    DrugLevel,
    FollowUpBegun,
    InputEvent,
    LabResult,
    PlannedDose,
    PumpDelivery,
    PumpTotals,
    Quantity,
    RegimenPlanned,
    StateReset,
    VitalSample,
    to_millis,
)

PATIENT = "P-1"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def at(hours: float) -> datetime:
    """Event time, to the millisecond, in hours after `START`."""
    return START + timedelta(milliseconds=round(hours * 3_600_000))


def ms(hours: float) -> int:
    """`at` in milliseconds since 1970."""
    return to_millis(at(hours))


def start(hours: float, rate: float = 40.0, device: str = "pump-1", **changes: Any) -> PumpDelivery:
    """A pump starts, or goes on at a new rate, in mg/h."""
    return _pump(hours, "start", "delivering", rate, device, changes)


def stop(hours: float, device: str = "pump-1", **changes: Any) -> PumpDelivery:
    """A pump stops."""
    return _pump(hours, "stop", "not-delivering", 0.0, device, changes)


def sample(hours: float, rate: float = 40.0, device: str = "pump-1", **changes: Any) -> PumpDelivery:
    """A pump's periodic word that it runs at a rate, in mg/h."""
    return _pump(hours, "sample", "delivering" if rate > 0 else "not-delivering", rate, device, changes)


def totals(hours: float, delivered: float, device: str = "pump-1", **changes: Any) -> PumpTotals:
    """A pump's cumulative counter, mg."""
    fields = {"device_id": device, "drug": "toxin", "delivered": quantity(delivered, "mg")}
    return PumpTotals(**_envelope(f"totals {device}", hours) | fields | changes)


def dose(hours: float, amount: float = 60.0, duration: float | None = None, **changes: Any) -> DoseGiven:
    """A recorded dose, mg, at once or over some hours."""
    span = None if duration is None else quantity(duration, "h")
    fields = {"drug": "toxin", "route": "iv", "amount": quantity(amount, "mg"), "duration": span}
    return DoseGiven(**_envelope("dose", hours) | fields | changes)


def reset(hours: float, **changes: Any) -> StateReset:
    """All states go back to where they began."""
    return StateReset(**_envelope("reset", hours) | changes)


def follow_up(hours: float, **changes: Any) -> FollowUpBegun:
    """The patient is followed from here on."""
    return FollowUpBegun(**_envelope("follow-up", hours) | changes)


def level(hours: float, value: float, **changes: Any) -> DrugLevel:
    """A drug level, mg/L."""
    fields = {"analyte": "toxin", "value": quantity(value, "mg/L")}
    return DrugLevel(**_envelope("level", hours) | fields | changes)


def count(hours: float, value: float, **changes: Any) -> LabResult:
    """A blood count, 10*9/L."""
    fields = {"analyte": "ANC", "value": quantity(value, "10*9/L")}
    return LabResult(**_envelope("count", hours) | fields | changes)


def finding(hours: float, analyte: str, value: float, **changes: Any) -> LabResult:
    """A grade, a look for an event, or a count."""
    fields = {"analyte": analyte, "value": quantity(value, "1")}
    return LabResult(**_envelope(analyte, hours) | fields | changes)


def weight(hours: float, kilograms: float) -> Covariate:
    """Body weight, kg."""
    return covariate(hours, "WT", kilograms, "kg")


def covariate(hours: float, name: str, value: float, unit: str) -> Covariate:
    """A characteristic that holds from now on."""
    return Covariate(**_envelope(name, hours), name=name, value=quantity(value, unit))


def plan(hours: float, *doses: tuple[float, float, float | None], **changes: Any) -> RegimenPlanned:
    """An order of doses, each (hours, mg, hours it lasts or None when given at once)."""
    planned = tuple(
        PlannedDose(
            time=at(begin), amount=quantity(amount, "mg"), duration=None if span is None else quantity(span, "h")
        )
        for begin, amount, span in doses
    )
    return RegimenPlanned(**_envelope("plan", hours) | {"drug": "toxin", "doses": planned} | changes)


def vital(hours: float, value: float = 80.0, device: str = "watch-1", **changes: Any) -> VitalSample:
    """A heart rate."""
    fields = {"device_id": device, "channel": "heart_rate", "value": quantity(value, "/min")}
    return VitalSample(**_envelope(f"vital {device}", hours) | fields | changes)


def temperature(hours: float, value: float, device: str = "watch-1", **changes: Any) -> VitalSample:
    """A body temperature, Celsius."""
    fields = {"device_id": device, "channel": "body_temperature", "value": quantity(value, "Cel")}
    return VitalSample(**_envelope(f"temperature {device}", hours) | fields | changes)


def cuff(hours: float, value: float, device: str = "cuff-1", **changes: Any) -> VitalSample:
    """A systolic pressure, mmHg."""
    fields = {"device_id": device, "channel": "systolic_bp", "value": quantity(value, "mm[Hg]")}
    return VitalSample(**_envelope(f"cuff {device}", hours) | fields | changes)


def in_clinic(hours: float, value: float) -> LabResult:
    """A systolic pressure that was measured singly, mmHg."""
    return LabResult(**_envelope("pressure", hours), analyte="pressure", value=quantity(value, "mm[Hg]"))


def bind(hours: float, device: str = "watch-1", every: float | None = 0.25, **changes: Any) -> DeviceAssociation:
    """A device is bound and promises to speak every so many hours."""
    promised = None if every is None else quantity(every, "h")
    fields = {"device_id": device, "associated": True, "expected_every": promised}
    return DeviceAssociation(**_envelope(f"bind {device}", hours) | fields | changes)


def alarm(hours: float, device: str = "pump-1", **changes: Any) -> DeviceAlert:
    """A pump says that its line is closed."""
    fields = {"device_id": device, "condition": "MDC_EVT_FLUID_LINE_OCCL", "phase": "start", "stops_delivery": True}
    return DeviceAlert(**_envelope(f"alarm {device}", hours) | fields | changes)


def clock(hours: float, **changes: Any) -> Clock:
    """Nothing but that time has passed."""
    return Clock(**_envelope("clock", hours) | changes)


def quantity(value: float, unit: str) -> Quantity:
    """A number with its unit."""
    return Quantity(value=value, unit=unit)


def _pump(hours: float, phase: str, status: str, rate: float, device: str, changes: dict[str, Any]) -> PumpDelivery:
    fields = {"device_id": device, "drug": "toxin", "phase": phase, "delivery_status": status}
    return PumpDelivery(**_envelope(f"{phase} {device}", hours) | fields | {"rate": quantity(rate, "mg/h")} | changes)


def _envelope(what: str, hours: float) -> dict[str, Any]:
    return {"event_id": f"{what} {hours:g}", "patient_id": PATIENT, "time": at(hours), "source": "a test"}


def alerts_told(twin: PatientTwin, rule: str, groups: Iterable[Sequence[InputEvent]]) -> list[Alert]:
    """What a twin says by one rule while it hears one group of events after the other, all of which it takes."""
    found: list[Alert] = []
    for group in groups:
        update = twin.observe(group)
        assert update.rejected == ()
        found += [one for one in update.outputs if isinstance(one, Alert) and one.rule == rule]
    return found
