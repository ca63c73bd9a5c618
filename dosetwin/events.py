"""The event vocabulary: what may be said to a `PatientTwin`, and what it says.

>>> from datetime import UTC, datetime
>>> from dosetwin.events import LabResult, Quantity
>>> LabResult(
...     event_id="count-1",
...     patient_id="P-1",
...     time=datetime(2026, 1, 12, 9, tzinfo=UTC),
...     source="lab",
...     analyte="neutrophils",
...     value=Quantity(value=1.1, unit="10*9/L"),
... ).kind
'lab_result'
"""

from __future__ import annotations

from twin.events import (
    Advice,
    AdviceRequested,
    Alert,
    AlertAction,
    Clock,
    Covariate,
    DeviceAlert,
    DeviceAssociation,
    DoseGiven,
    DrugLevel,
    Enrolment,
    Estimate,
    FollowUpBegun,
    Forecast,
    Heartbeat,
    InputEvent,
    LabResult,
    ModelMove,
    OutputEvent,
    PlannedDose,
    Posterior,
    Prediction,
    PumpDelivery,
    PumpTotals,
    Quantity,
    RegimenPlanned,
    Rejected,
    Release,
    StateReset,
    VitalSample,
    Withdrawn,
)

__all__ = [
    "Advice",
    "AdviceRequested",
    "Alert",
    "AlertAction",
    "Clock",
    "Covariate",
    "DeviceAlert",
    "DeviceAssociation",
    "DoseGiven",
    "DrugLevel",
    "Enrolment",
    "Estimate",
    "FollowUpBegun",
    "Forecast",
    "Heartbeat",
    "InputEvent",
    "LabResult",
    "ModelMove",
    "OutputEvent",
    "PlannedDose",
    "Posterior",
    "Prediction",
    "PumpDelivery",
    "PumpTotals",
    "Quantity",
    "RegimenPlanned",
    "Rejected",
    "Release",
    "StateReset",
    "VitalSample",
    "Withdrawn",
]
