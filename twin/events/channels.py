"""The streams that events travel on: where a kind belongs, whatever carries it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Channel:
    """A stream of events about patients: its ``name``, and in words what comes on it."""

    name: str
    purpose: str


PUMP = Channel("iomt.pump", "What infusion pumps deliver, their counters, and which device belongs to which patient.")
DEVICES = Channel(
    "iomt.devices", "What devices say that do not know their patient, and to whom they are bound; keyed by device."
)
VITALS = Channel("iomt.vitals", "Readings of wearables and monitors.")
LABS = Channel("clinical.labs", "Laboratory values, drug levels and patient characteristics.")
ORDERS = Channel("clinical.orders", "Planned regimens, doses recorded as given, and since when a patient is followed.")
COMMANDS = Channel(
    "twin.commands",
    "Enrolment of a patient in a model, the passing of time, what people ask, and what they do about alerts.",
)
ESTIMATES = Channel(
    "twin.estimates", "What the twin believes: estimates, predictions just before a value was seen, forecasts."
)
ALERTS = Channel("twin.alerts", "Transitions of alerts, from their start to their end.")
ADVICE = Channel("twin.advice", "What may be given next, each way with its odds: for people, never for a device.")
HEARTBEATS = Channel("twin.heartbeats", "That a worker lives, and how far it is with each partition.")
POSTERIORS = Channel(
    "twin.posteriors",
    "What twins say of themselves so that a population can be learnt: the newest of each patient, encrypted.",
)
REJECTED = Channel(
    "twin.rejected", "Dead letters: inputs that could not be used, with reason, original bytes and place."
)
