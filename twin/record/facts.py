"""Facts of a patient, and their place in event-time order.

Order inside a patient is (event time, sequence, rank of the kind, what it is of, its value, event id). What its source
put in order at one instant keeps that order, and comes after what has none; without one an observation comes before a
dose, the convention for trough samples. The id comes last, so that nothing depends on how a source names its facts.
"""

from __future__ import annotations

from typing import NamedTuple

from twin.events import (
    AdviceRequested,
    AlertAction,
    Covariate,
    DeviceAlert,
    DeviceAssociation,
    DoseGiven,
    DrugLevel,
    Enrolment,
    FollowUpBegun,
    LabResult,
    PumpDelivery,
    PumpTotals,
    RegimenPlanned,
    Release,
    StateReset,
    to_millis,
)

ClinicalEvent = (
    PumpDelivery
    | PumpTotals
    | DoseGiven
    | StateReset
    | FollowUpBegun
    | DrugLevel
    | LabResult
    | Covariate
    | RegimenPlanned
    | DeviceAssociation
    | DeviceAlert
    | Enrolment
    | Release
    | AlertAction
    | AdviceRequested
)
"""What is kept as a fact: all that is said of a patient but repeated readings and the passing of time."""

RANK = {
    "enrolment": 0,
    "follow_up_begun": 1,
    "covariate": 2,
    "device_association": 3,
    "regimen_planned": 4,
    "lab_result": 5,
    "drug_level": 6,
    "state_reset": 7,
    "pump_totals": 8,
    "pump_delivery": 9,
    "dose_given": 10,
    "release": 11,
    "device_alert": 12,
    "alert_action": 13,
    "advice_requested": 14,
}
MEASURED = (10 * RANK["lab_result"], 10 * RANK["drug_level"])
"""`Key.rank` of what is measured; its subject is the analyte."""

_PHASE_RANK = {"sample": 0, "stop": 1, "complete": 2, "start": 3}

UNORDERED = -1
"""Before all that has a sequence number."""


class Key(NamedTuple):
    """Place of a fact in a patient's event-time order.

    Attributes:
        sequence: `UNORDERED` where its source has no order.
        subject, value: what it is of, and its number, where it has them.
    """

    millis: int
    sequence: int
    rank: int
    subject: str
    value: float
    event_id: str


def key_of(event: ClinicalEvent) -> Key:
    """A fact's place in event-time order."""
    # A rate change is a STOP and a START at one instant (IHE PCD IPEC): the start must come last.
    phase = _PHASE_RANK[event.phase] if isinstance(event, PumpDelivery) else 0
    sequence = UNORDERED if event.sequence is None else event.sequence
    rank = RANK[event.kind] * 10 + phase
    return Key(to_millis(event.time), sequence, rank, *_subject_of(event), event.event_id)


def _subject_of(event: ClinicalEvent) -> tuple[str, float]:
    """What a fact is of, and its number."""
    match event:
        case DrugLevel() | LabResult():
            return event.analyte, event.value.value
        case DoseGiven():
            return event.drug, event.amount.value
        case PumpDelivery():
            return event.drug, event.rate.value
        case PumpTotals():
            return event.drug, event.delivered.value
        case Covariate():
            return event.name, 0.0 if event.value is None else event.value.value
        case RegimenPlanned():
            return event.drug, 0.0
        case DeviceAssociation() | DeviceAlert():
            return event.device_id, 0.0
    return "", 0.0
