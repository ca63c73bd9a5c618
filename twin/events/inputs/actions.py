"""What a person does about an alert."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, Protocol, Self

from pydantic import model_validator

from twin.events.bounds import Tag, Text
from twin.events.channels import COMMANDS, Channel
from twin.events.envelope import ClinicalEnvelope, EventId, StaffId
from twin.events.event_time import EventTime
from twin.events.identity import event_id
from twin.events.outputs.alert import Action, Subject
from twin.events.story import at, received, story_id


class Done(Protocol):
    """What was done about an alert, and by which action."""

    @property
    def action(self) -> Action: ...
    @property
    def event_id(self) -> str: ...


class SeenAlert(Protocol):
    """What is known of an alert by whoever acts on it: an `Alert`, or another telling of one."""

    @property
    def alert_id(self) -> str: ...
    @property
    def patient_id(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def subject(self) -> Subject: ...
    @property
    def time(self) -> datetime: ...


class HandledAlert(SeenAlert, Protocol):
    """An alert, with what was done about it last."""

    @property
    def handled(self) -> Done | None: ...


class AlertAction(ClinicalEnvelope):
    """Somebody acknowledges, shelves or comments an alert; ``by`` says who, ``reason`` why, ``time`` when.

    Meant is the alert of ``rule`` about ``subject`` that stood when the person looked, at ``seen``: what they saw may
    since have ended, and another have begun. ``alert_id`` is what it was called then. Shelving ends at ``until``, or
    when the rule says that it must. One done by mistake is retracted (`taking_back`): then ``by``, ``reason`` and
    ``time`` say who took it back, why and when, and ``action`` what it was.
    """

    sent_on: ClassVar[Channel] = COMMANDS

    kind: Literal["alert_action"] = "alert_action"
    action: Action
    alert_id: EventId
    rule: Tag
    subject: Subject
    seen: EventTime
    by: StaffId
    reason: Text = ""
    until: EventTime | None = None

    @model_validator(mode="after")
    def _says_what_it_must(self) -> Self:
        if self.status == "retracted":
            return self
        if (self.until is not None) != (self.action == "shelve"):
            raise ValueError("'shelve' needs 'until', and nothing else has one")
        if self.until is not None and self.until <= self.time:
            raise ValueError(f"'until' {self.until.isoformat()} is not after 'time' {self.time.isoformat()}")
        if self.action in ("shelve", "comment") and not self.reason.strip():
            raise ValueError(f"'{self.action}' needs a 'reason'; write why, or what is to be known")
        if self.seen > self.time:
            raise ValueError("'seen' is after 'time'; who acts on an alert has seen it before")
        return self

    @classmethod
    def taking_back(cls, alert: HandledAlert, by: str, now: datetime, source: str, reason: str = "") -> Self:
        """The retraction of what was done last about an alert, which ``by`` takes back ``now``.

        Raises:
            ValueError: nothing was done about it that still counts.
        """
        done = alert.handled
        if done is None:
            raise ValueError(f"nothing was done about alert {alert.alert_id!r} that could be taken back")
        time = max(now, alert.time)
        return cls(
            event_id=event_id("action taken back", done.event_id, by, time.isoformat(), reason),
            patient_id=alert.patient_id,
            time=time,
            source=source,
            status="retracted",
            replaces=done.event_id,
            action=done.action,
            alert_id=alert.alert_id,
            rule=alert.rule,
            subject=alert.subject,
            seen=alert.time,
            by=by,
            reason=reason,
        )

    @classmethod
    def about(
        cls,
        alert: SeenAlert,
        action: Action,
        by: str,
        now: datetime,
        source: str,
        reason: str = "",
        until: datetime | None = None,
    ) -> Self:
        """What ``by`` does ``now`` about an alert as it was last told.

        Raises:
            ValueError: the action says too little, or too much.
        """
        time = max(now, alert.time)
        return cls(
            event_id=event_id("action", alert.alert_id, action, by, time.isoformat(), reason),
            patient_id=alert.patient_id,
            time=time,
            source=source,
            action=action,
            alert_id=alert.alert_id,
            rule=alert.rule,
            subject=alert.subject,
            seen=alert.time,
            by=by,
            reason=reason,
            until=until,
        )

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("action", 121.5, "ward"),
            action="shelve",
            alert_id=story_id("alert", "id"),
            rule="tox.neutropenia_g4",
            subject=Subject("output", "neutrophils"),
            seen=at(121),
            by="nurse-7",
            reason="Growth factor given; next count tomorrow at six.",
            until=at(133),
        )
