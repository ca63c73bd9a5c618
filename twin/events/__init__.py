"""The event vocabulary: everything that may be said about a patient on the wire.

In come JSON bytes, or values to say. Out go frozen, strict, typed events with UCUM units, and their bytes again. A kind
of event is one class that says everything of itself: its fields, the channel it is sent on, an example; all of them are
found (`twin.events.vocabulary`), the union of them is written nowhere.
"""

from twin.events.bands import Band
from twin.events.channels import Channel
from twin.events.envelope import (
    ClinicalEnvelope,
    Envelope,
    Event,
    EventId,
    Frozen,
    InputEvent,
    ModelName,
    Name,
    OutputEvent,
    PatientId,
    Quantity,
    Status,
    share_names,
)
from twin.events.identity import event_id
from twin.events.inputs.actions import AlertAction, HandledAlert, SeenAlert
from twin.events.inputs.advice import AdviceRequested, Genotype
from twin.events.inputs.commands import Clock, Enrolment, ModelMove, Release
from twin.events.inputs.labs import Covariate, DrugLevel, LabResult, Measurement
from twin.events.inputs.orders import DoseGiven, FollowUpBegun, PlannedDose, RegimenPlanned, StateReset
from twin.events.inputs.pump import DeviceAlert, DeviceAssociation, PumpDelivery, PumpTotals
from twin.events.inputs.vitals import VITAL_RANGES, VitalSample
from twin.events.instants import from_millis, to_millis
from twin.events.outputs.advice import (
    Advice,
    AdviceCause,
    AdvisedDose,
    Alternative,
    BranchBand,
    HarmOdds,
    NextSample,
    PublishedRule,
    SpokenRule,
    WhatIf,
    WindowOdds,
)
from twin.events.outputs.alert import (
    LIVE,
    Action,
    Alert,
    AlertCause,
    AlertHandling,
    AlertPhase,
    AlertState,
    Subject,
    SubjectKind,
)
from twin.events.outputs.estimate import DueDose, Estimate, Exposure, PlannedByNow, PriorRange
from twin.events.outputs.evidence import (
    MOST_DECIDING,
    AlertEvidence,
    AlertThreshold,
    Deciding,
    Freshness,
    Watched,
)
from twin.events.outputs.forecast import Forecast, ForecastBand, Nadir, ToxicityAhead
from twin.events.outputs.heartbeat import Heartbeat
from twin.events.outputs.posterior import Posterior
from twin.events.outputs.prediction import Prediction
from twin.events.outputs.rejected import Rejected
from twin.events.outputs.withdrawn import Series, Withdrawn
from twin.events.vocabulary import EVENTS, INPUT_EVENTS, OUTPUT_EVENTS, kind_of
from twin.events.wire import MAX_EVENT_BYTES, BadEvent, decode, decode_output, encode

__all__ = [
    "EVENTS",
    "INPUT_EVENTS",
    "LIVE",
    "MAX_EVENT_BYTES",
    "MOST_DECIDING",
    "OUTPUT_EVENTS",
    "VITAL_RANGES",
    "Action",
    "Advice",
    "AdviceCause",
    "AdviceRequested",
    "AdvisedDose",
    "Alert",
    "AlertAction",
    "AlertCause",
    "AlertEvidence",
    "AlertHandling",
    "AlertPhase",
    "AlertState",
    "AlertThreshold",
    "Alternative",
    "BadEvent",
    "Band",
    "BranchBand",
    "Channel",
    "ClinicalEnvelope",
    "Clock",
    "Covariate",
    "Deciding",
    "DeviceAlert",
    "DeviceAssociation",
    "DoseGiven",
    "DrugLevel",
    "DueDose",
    "Enrolment",
    "Envelope",
    "Estimate",
    "Event",
    "EventId",
    "Exposure",
    "FollowUpBegun",
    "Forecast",
    "ForecastBand",
    "Freshness",
    "Frozen",
    "Genotype",
    "HandledAlert",
    "HarmOdds",
    "Heartbeat",
    "InputEvent",
    "LabResult",
    "Measurement",
    "ModelMove",
    "ModelName",
    "Nadir",
    "Name",
    "NextSample",
    "OutputEvent",
    "PatientId",
    "PlannedByNow",
    "PlannedDose",
    "Posterior",
    "Prediction",
    "PriorRange",
    "PublishedRule",
    "PumpDelivery",
    "PumpTotals",
    "Quantity",
    "RegimenPlanned",
    "Rejected",
    "Release",
    "SeenAlert",
    "Series",
    "SpokenRule",
    "StateReset",
    "Status",
    "Subject",
    "SubjectKind",
    "ToxicityAhead",
    "VitalSample",
    "Watched",
    "WhatIf",
    "WindowOdds",
    "Withdrawn",
    "decode",
    "decode_output",
    "encode",
    "event_id",
    "from_millis",
    "kind_of",
    "share_names",
    "to_millis",
]
