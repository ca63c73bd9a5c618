"""The event vocabulary: everything that may be said about a patient on the wire.

One frozen, strict envelope and two unions discriminated on ``kind``: `InputEvent` (what devices, laboratories and
people say) and `OutputEvent` (what the twin says). A quantity is a value with a UCUM unit; it is converted once, by
`twin.units.convert`, where the event enters the twin. Times are event times and carry an offset.

Device and status terms follow IHE PCD TF rev. 9 vol. 2 (IPEC) and HL7 v2 table 0085; see `AlertState` for alarms.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from twin.malformed import fault_of

MAX_EVENT_BYTES = 1_048_576
"""An event larger than this is refused unread: no device message of a single fact is near it."""

PatientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="pseudonym, never a name")]
EventId = Annotated[str, Field(min_length=1, max_length=128)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
ModelName = Annotated[str, Field(min_length=1, max_length=256)]
Status = Literal["preliminary", "final", "corrected", "retracted"]


class Frozen(BaseModel):
    """Base of every wire value: immutable, strict, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Quantity(Frozen):
    """A number with its UCUM unit, e.g. ``{"value": 96, "unit": "mg"}``."""

    value: float
    unit: Annotated[str, Field(min_length=1, max_length=32)]


class Envelope(Frozen):
    """What every event carries: who, when, from where, and an id that is the same for the same fact."""

    v: Literal[1] = 1
    event_id: EventId
    patient_id: PatientId
    time: AwareDatetime
    source: Name


class ClinicalEnvelope(Envelope):
    """An input that a later event may correct or retract.

    ``replaces`` names the event that this one corrects (``status="corrected"``) or withdraws (``"retracted"``).
    """

    status: Status = "final"
    replaces: EventId | None = None

    @model_validator(mode="after")
    def _replacement_names_its_target(self) -> ClinicalEnvelope:
        if self.status in ("corrected", "retracted") and self.replaces is None:
            raise ValueError(f"status '{self.status}' needs 'replaces': the event_id that is {self.status}")
        if self.replaces is not None and self.status not in ("corrected", "retracted"):
            raise ValueError("'replaces' needs status 'corrected' or 'retracted'")
        return self


# --- inputs ----------------------------------------------------------------------------------------------------------


class PumpDelivery(ClinicalEnvelope):
    """What a pump channel delivers from ``time`` on, until its next word (IPEC START, STOP, COMPLETE or a sample).

    The rate is either a drug rate (``mg/h``) or a volume rate (``mL/h``) with ``concentration`` (``mg/mL``).
    ``phase`` says why the pump spoke; ``sample`` is the periodic report of an unchanged segment.
    """

    kind: Literal["pump_delivery"] = "pump_delivery"
    device_id: Name
    drug: Name
    phase: Literal["start", "stop", "complete", "sample"]
    delivery_status: Literal["delivering", "not-delivering", "transitioning", "kvo"]
    rate: Quantity
    programmed_rate: Quantity | None = None
    concentration: Quantity | None = None
    not_delivering_reason: Name | None = None


class PumpTotals(ClinicalEnvelope):
    """A pump's cumulative counter: what it delivered since the counter was last cleared."""

    kind: Literal["pump_totals"] = "pump_totals"
    device_id: Name
    drug: Name
    delivered: Quantity
    concentration: Quantity | None = None


class DoseGiven(ClinicalEnvelope):
    """A dose recorded as given, from ``time``: at once, or at a constant rate over ``duration``.

    With ``steady_every`` the patient has had this dose at this interval for so long that everything stands, just before
    it, where it stood one interval earlier; what was recorded before counts no more (NM-TRAN: SS = 1 with II).
    """

    kind: Literal["dose_given"] = "dose_given"
    drug: Name
    route: Literal["iv", "oral", "sc", "im", "ip"]
    amount: Quantity
    duration: Quantity | None = None
    steady_every: Quantity | None = None


class StateReset(ClinicalEnvelope):
    """From ``time`` on the patient begins anew: every state has its initial value, and doses recorded before are over.

    What a pump delivers goes on (NM-TRAN: EVID 3, and 4 together with a dose).
    """

    kind: Literal["state_reset"] = "state_reset"


class Measurement(ClinicalEnvelope):
    """What was measured of a specimen drawn at ``time``.

    ``below_lloq`` marks a result reported only as under the lower limit ``lloq``, ``above_uloq`` one reported only as
    over the upper limit ``uloq``; without the limit, ``value`` is taken for it. ``draw_time_sd`` is the standard
    deviation of the true time of drawing around ``time``, where that was written down roughly.
    """

    analyte: Name
    value: Quantity
    lloq: Quantity | None = None
    below_lloq: bool = False
    uloq: Quantity | None = None
    above_uloq: bool = False
    draw_time_sd: Quantity | None = None

    @model_validator(mode="after")
    def _lies_on_one_side(self) -> Measurement:
        if self.below_lloq and self.above_uloq:
            raise ValueError("a result cannot be 'below_lloq' and 'above_uloq' at once; keep one")
        return self


class DrugLevel(Measurement):
    """A drug concentration."""

    kind: Literal["drug_level"] = "drug_level"


class LabResult(Measurement):
    """A laboratory or clinical finding; ``analyte`` is an output or covariate name of the model.

    Grades, counts and looks for an event (1: it happened at this instant, 0: not by then) are values in unit ``1``.
    """

    kind: Literal["lab_result"] = "lab_result"
    loinc: Annotated[str, Field(pattern=r"^\d{1,5}-\d$")] | None = None


class VitalSample(ClinicalEnvelope):
    """One reading of a wearable or monitor."""

    kind: Literal["vital_sample"] = "vital_sample"
    device_id: Name
    channel: Literal[
        "heart_rate", "spo2", "body_temperature", "systolic_bp", "diastolic_bp", "respiratory_rate", "steps"
    ]
    value: Quantity


class Covariate(ClinicalEnvelope):
    """A patient characteristic that holds from ``time`` on (body surface area, AAG, weight, concomitant drug).

    A categorical one may be sent as the name of its ``level`` in the model (``poor``) instead of its value.
    """

    kind: Literal["covariate"] = "covariate"
    name: Name
    value: Quantity | None = None
    level: Name | None = None

    @model_validator(mode="after")
    def _has_one_value(self) -> Covariate:
        if (self.value is None) == (self.level is None):
            raise ValueError("a covariate has either 'value' or 'level'; send one of them")
        return self


class PlannedDose(Frozen):
    """One dose of a plan; without ``duration`` it is given at once."""

    time: AwareDatetime
    amount: Quantity
    duration: Quantity | None = None


class RegimenPlanned(ClinicalEnvelope):
    """The ordered regimen of one drug. A newer plan replaces what an older one says from its own ``time`` on."""

    kind: Literal["regimen_planned"] = "regimen_planned"
    drug: Name
    route: Literal["iv", "oral", "sc", "im", "ip"] = "iv"
    doses: Annotated[tuple[PlannedDose, ...], Field(min_length=1, max_length=400)]


class DeviceAssociation(ClinicalEnvelope):
    """A device is bound to the patient (or released); while bound it is expected to speak every ``expected_every``."""

    kind: Literal["device_association"] = "device_association"
    device_id: Name
    associated: bool
    expected_every: Quantity | None = None


class Enrolment(ClinicalEnvelope):
    """The patient gets a twin of this model from ``time`` on, or of the average of rival ones, ``A,B,C``."""

    kind: Literal["enrolment"] = "enrolment"
    model: ModelName


class Clock(Envelope):
    """Time has passed for this patient and nobody may have said anything: lets silence be noticed."""

    kind: Literal["clock"] = "clock"


# --- outputs ---------------------------------------------------------------------------------------------------------


class Band(Frozen):
    """Quantiles of a distribution of the quantity ``name`` in ``unit``."""

    name: Name
    unit: str
    q05: float
    q25: float
    median: float
    q75: float
    q95: float


class Output(Envelope):
    """What every output carries besides the envelope: which model spoke, or which rival ones, ``A,B,C``."""

    model: ModelName
    model_hash: str


class Exposure(Frozen):
    """Exposure of the running course against its target window (area under the concentration curve)."""

    so_far: Band
    at_end: Band
    target_low: float
    target_high: float
    p_below: float
    p_above: float


class Estimate(Output):
    """The twin at ``time``: model outputs (without residual error), individual parameters, exposure, health.

    ``delivered_rate`` is what the pumps deliver at ``time`` and ``delivered`` the cumulative amount, per drug.
    ``model_weights`` are those of rival models whose average this is; such a twin has no parameters of its own.
    """

    kind: Literal["estimate"] = "estimate"
    outputs: tuple[Band, ...]
    parameters: tuple[Band, ...]
    exposure: tuple[Exposure, ...] = ()
    delivered_rate: dict[str, Quantity]
    delivered: dict[str, Quantity]
    ess: float
    log_evidence: float
    observations: int
    model_weights: dict[str, float] | None = None


class Prediction(Output):
    """What the twin expected of a measured value just before it was told (with residual error)."""

    kind: Literal["prediction"] = "prediction"
    output: Name
    unit: str
    observed: float
    median: float
    q05: float
    q25: float
    q75: float
    q95: float
    pit: float
    innovation: float
    population_median: float


class ForecastBand(Frozen):
    """Quantiles of one model output along ``Forecast.times``, each a tuple of that length (no residual error)."""

    name: Name
    unit: str
    q05: tuple[float, ...]
    q25: tuple[float, ...]
    median: tuple[float, ...]
    q75: tuple[float, ...]
    q95: tuple[float, ...]


class Nadir(Frozen):
    """Distribution of the lowest value ahead and of the days from ``Forecast.time`` until it."""

    output: Name
    value: Band
    day: Band
    p_grade4: float


class Forecast(Output):
    """The twin ahead of ``time``, assuming running infusions finish and planned doses are given as planned."""

    kind: Literal["forecast"] = "forecast"
    times: tuple[AwareDatetime, ...]
    outputs: tuple[ForecastBand, ...]
    nadir: Nadir | None = None


AlertState = Literal["raised", "updated", "cleared", "withdrawn"]
"""Lifecycle as published: a withdrawn alert lost its reason to late, corrected or retracted data."""

SubjectKind = Literal["drug", "device", "target", "output", "model", "patient"]


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What an alert is about: a drug or a device by its name, a target or an output of the model, the model itself, or
    the patient as a whole, by pseudonym."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    kind: SubjectKind
    name: ModelName


class Alert(Output):
    """One transition of one alert. ``alert_id`` names the alert, ``revision`` counts its transitions from 0.

    ``rule`` says what was found, ``subject`` of what. ``time`` is the event time of the transition, ``onset`` that at
    which the condition began to hold.
    """

    kind: Literal["alert"] = "alert"
    alert_id: str
    rule: Name
    subject: Subject
    state: AlertState
    severity: Literal["low", "medium", "high"]
    revision: int
    onset: AwareDatetime
    probability: float | None = None
    horizon_hours: float | None = None
    freshness_hours: float | None = None
    text: str


class Rejected(Frozen):
    """An input that could not be used: the dead letter. ``reason`` is a stable code, ``detail`` says what to mend."""

    v: Literal[1] = 1
    kind: Literal["rejected"] = "rejected"
    reason: Name
    detail: str
    patient_id: str | None = None
    event_id: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    original_base64: str | None = None


InputEvent = (
    PumpDelivery
    | PumpTotals
    | DoseGiven
    | StateReset
    | DrugLevel
    | LabResult
    | VitalSample
    | Covariate
    | RegimenPlanned
    | DeviceAssociation
    | Enrolment
    | Clock
)
OutputEvent = Estimate | Prediction | Forecast | Alert

_INPUT: TypeAdapter[InputEvent] = TypeAdapter(Annotated[InputEvent, Field(discriminator="kind")])
_OUTPUT: TypeAdapter[OutputEvent] = TypeAdapter(Annotated[OutputEvent, Field(discriminator="kind")])


class BadEvent(ValueError):
    """Bytes that are no `InputEvent`; ``reason`` is the dead-letter code, the message names field, value and mend."""

    def __init__(self, reason: str, detail: str, patient_id: str | None = None, event_id: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.patient_id = patient_id
        self.event_id = event_id


def event_id(*parts: object) -> str:
    """Deterministic id of a fact: 128 bits of BLAKE2b over its identifying parts, in hex.

    >>> event_id("pump", "P-1", 5) == event_id("pump", "P-1", 5)
    True
    """
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def to_millis(time: datetime) -> int:
    """Event time as whole milliseconds since 1970-01-01T00:00Z, the only clock inside the twin."""
    return round((time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def from_millis(millis: int) -> datetime:
    """Inverse of `to_millis`."""
    return datetime.fromtimestamp(millis / 1000, tz=UTC)


def encode(event: InputEvent | OutputEvent | Rejected) -> bytes:
    """The event as compact UTF-8 JSON, with fields that are ``None`` left out."""
    return event.model_dump_json(exclude_none=True).encode()


def decode(raw: bytes) -> InputEvent:
    """Parse and validate one input event.

    Raises:
        BadEvent: with reason ``too_large``, ``malformed_json``, ``unknown_kind`` or ``invalid_event``.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise BadEvent("too_large", f"event of {len(raw)} bytes; the limit is {MAX_EVENT_BYTES}")
    try:
        return _INPUT.validate_json(raw)
    except ValidationError as error:
        raise BadEvent(*fault_of(raw, error)) from None


def decode_output(raw: bytes) -> OutputEvent:
    """Parse one output event (for sinks and the console); raises pydantic's `ValidationError`."""
    return _OUTPUT.validate_json(raw)
