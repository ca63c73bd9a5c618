"""What somebody should look at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from twin.events.bounds import MODEL_TAG, Hours, Probability, Tag, Text, Whole
from twin.events.channels import ALERTS, Channel
from twin.events.envelope import EventId, ModelName, OutputEvent, StaffId
from twin.events.event_time import EventTime
from twin.events.outputs.evidence import AlertEvidence, AlertThreshold, Deciding, Freshness, Watched
from twin.events.story import at, published, story_id
from twin.wording import Wording, amount, say, share

AlertState = Literal["active", "acknowledged", "latched", "resolved", "withdrawn"]
"""How an alert stands: *active*; *acknowledged*, seen by somebody; *latched*, its condition is gone and nobody has seen
it; *resolved*, over; *withdrawn*, over, as late, corrected or retracted data removed its reason."""

AlertPhase = Literal[
    "start",
    "update",
    "escalate",
    "acknowledged",
    "shelved",
    "unshelved",
    "inhibited",
    "commented",
    "end",
    "withdrawn",
]
"""What a transition tells: that the alert began, what is new of it, what somebody did about it, or that it is over."""

LIVE: frozenset[AlertState] = frozenset({"active", "acknowledged", "latched"})
"""The states of an alert that stands."""

SubjectKind = Literal["drug", "device", "target", "output", "toxicity", "model", "patient"]


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What an alert is about: a drug or a device by its name, a target, an output or a toxicity of the model, the model
    itself, or the patient as a whole, by pseudonym."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    kind: SubjectKind
    name: ModelName


Action = Literal["acknowledge", "shelve", "unshelve", "comment"]
"""*acknowledge*: I have seen it and see to it; *shelve*: nobody need be called for it for a while; *unshelve*: they
need again; *comment*: a note on it."""


@dataclass(frozen=True, slots=True)
class AlertHandling:
    """What somebody did about an alert last: what, who, when and why (`twin.events.AlertAction`), and the id of that
    action, by which it can be taken back."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    action: Action
    by: StaffId
    time: EventTime
    reason: Text
    event_id: EventId


@dataclass(frozen=True, slots=True)
class AlertCause:
    """The alert that stands as the cause of another one: its rule and its id."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    rule: Tag
    alert_id: EventId


class Alert(OutputEvent):
    """One transition of one alert. ``alert_id`` names the alert, ``revision`` counts its transitions from 0.

    ``rule`` says what was found, ``subject`` of what. ``time`` is the event time of the transition, ``onset`` that at
    which the condition began to hold. ``state`` is how the alert stands now, ``phase`` what this transition tells.
    ``advice`` says what to check or do. Until ``shelved_until``, and while ``inhibited_by`` names an alert as its
    cause, nobody need be called for it. ``handled`` is what somebody did about it last. ``rules_hash`` names the
    thresholds that it was judged by, ``evidence`` on what the alert rests. ``said`` is what ``text`` was made from, by
    which it is told in other languages.
    """

    sent_on: ClassVar[Channel] = ALERTS
    replay_file: ClassVar[str] = "alerts.ndjson"

    kind: Literal["alert"] = "alert"
    alert_id: EventId
    rule: Tag
    subject: Subject
    state: AlertState
    phase: AlertPhase
    severity: Literal["low", "medium", "high"]
    revision: Whole
    onset: EventTime
    probability: Probability | None = None
    horizon_hours: Hours | None = None
    freshness_hours: Hours | None = None
    text: Text
    advice: Text | None = None
    shelved_until: EventTime | None = None
    inhibited_by: AlertCause | None = None
    handled: AlertHandling | None = None
    rules_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    evidence: AlertEvidence | None = None
    said: Wording | None = None

    @property
    def live(self) -> bool:
        """The alert stands after this transition."""
        return self.state in LIVE

    @model_validator(mode="after")
    def _names_its_subject_plainly(self) -> Self:
        kind, name = self.subject.kind, self.subject.name
        if kind != "device" and not re.fullmatch(MODEL_TAG, name):  # a device is called what its maker calls it
            raise ValueError(f"subject {name[:80]!r} names no {kind}; write letters, digits, '.', '_', '-'")
        return self

    @classmethod
    def example(cls) -> Self:
        text = say(
            "toxicity.ahead",
            "{what} with probability {p} within {time}; {worst}.",
            what="Grade 4 neutropenia",
            p=share(0.62),
            time=amount("21", "d"),
            worst="nadir 0.45 ×10⁹/L (median) in 2.5 d",
        )
        return cls(
            **published("alert", 121),
            alert_id=story_id("alert", "id"),
            rule="tox.neutropenia_g4",
            subject=Subject("output", "neutrophils"),
            state="active",
            phase="start",
            severity="high",
            revision=0,
            onset=at(121),
            probability=0.62,
            horizon_hours=504.0,
            freshness_hours=1.0,
            text=str(text),
            said=text.wording,
            advice="Take a full blood count.",
            rules_hash="0" * 16,
            evidence=AlertEvidence(
                judged=at(121),
                level=0.62,
                standard_error=0.016,
                threshold=AlertThreshold(0.35, 0.2, margin=0.03, assumed="two in three are right"),
                watched=Watched("neutrophils, lowest ahead", "10*9/L", "below", 0.5, None, 0.2, 0.45, 0.9),
                decided_by=(Deciding("lab_result", "neutrophils", at(120), story_id("count", "id")),),
                freshness=(Freshness("laboratory", 1.0),),
            ),
        )
