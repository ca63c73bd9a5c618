"""What somebody should look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from pydantic import AwareDatetime, ConfigDict

from twin.events.channels import ALERTS, Channel
from twin.events.envelope import ModelName, Name, OutputEvent
from twin.events.story import at, published, story_id

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


class Alert(OutputEvent):
    """One transition of one alert. ``alert_id`` names the alert, ``revision`` counts its transitions from 0.

    ``rule`` says what was found, ``subject`` of what. ``time`` is the event time of the transition, ``onset`` that at
    which the condition began to hold.
    """

    sent_on: ClassVar[Channel] = ALERTS
    replay_file: ClassVar[str] = "alerts.ndjson"

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

    @classmethod
    def example(cls) -> Self:
        return cls(
            **published("alert", 121),
            alert_id=story_id("alert", "id"),
            rule="tox.neutropenia_g4",
            subject=Subject("output", "neutrophils"),
            state="raised",
            severity="high",
            revision=0,
            onset=at(121),
            probability=0.62,
            horizon_hours=504.0,
            freshness_hours=1.0,
            text="Grade 4 neutropenia with probability 62% within 21 d; nadir 0.45 10*9/L (median) in 2.5 d.",
        )
