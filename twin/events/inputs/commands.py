"""What a person tells the twin itself: which model, that time has passed, and that what it holds is true."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.events.channels import COMMANDS, Channel
from twin.events.envelope import ClinicalEnvelope, EventId, InputEvent, ModelName
from twin.events.event_time import EventTime
from twin.events.story import received, story_id


class Enrolment(ClinicalEnvelope):
    """The patient gets a twin of this model from ``time`` on, or of the average of rival ones, ``A,B,C``."""

    sent_on: ClassVar[Channel] = COMMANDS

    kind: Literal["enrolment"] = "enrolment"
    model: ModelName

    @classmethod
    def example(cls) -> Self:
        return cls(**received("enrolment", -1, "ward"), model="docetaxel_ozawa2007")


class Clock(InputEvent):
    """Time has passed for this patient and nobody may have said anything: lets silence be noticed."""

    sent_on: ClassVar[Channel] = COMMANDS

    kind: Literal["clock"] = "clock"

    @classmethod
    def example(cls) -> Self:
        return cls(**received("clock", 121, "ward"))


class ModelMove(InputEvent):
    """The patient's twin goes on by another version of its model, by which all that it knows is folded anew.

    A worker says so of its own patients when a version was released; what the twin said until then stays as it was.
    ``model_hash`` is of the version that was released, ``replaces`` the model that the twin goes by until then.
    """

    sent_on: ClassVar[Channel] = COMMANDS

    kind: Literal["model_move"] = "model_move"
    model: ModelName
    model_hash: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z0-9,._-]+$")]
    replaces: ModelName

    @classmethod
    def example(cls) -> Self:
        said = received("model_move", 200, "dosetwin")
        return cls(**said, model="docetaxel_ward1", model_hash="5f3c0a9d2b7e4186", replaces="docetaxel_ozawa2007")


class Release(ClinicalEnvelope):
    """A clinician has looked at what the twin holds, and it is true: it counts as if it had never been held.

    Named are events by their ids, or all that is held from ``begins`` to ``ends`` (event times, both included).
    """

    sent_on: ClassVar[Channel] = COMMANDS

    kind: Literal["release"] = "release"
    events: Annotated[tuple[EventId, ...], Field(max_length=1000)] = ()
    begins: EventTime | None = None
    ends: EventTime | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Release:
        if (self.begins is None) != (self.ends is None):
            raise ValueError("'begins' and 'ends' go together; send both")
        if bool(self.events) == (self.begins is not None):
            raise ValueError("a release names either 'events' or a time from 'begins' to 'ends'; send one of them")
        if self.begins is not None and self.ends is not None and self.ends < self.begins:
            raise ValueError("'ends' is before 'begins'; exchange them")
        return self

    def spans(self, time: datetime) -> bool:
        """Whether the time released has this instant in it."""
        return self.begins is not None and self.ends is not None and self.begins <= time <= self.ends

    @classmethod
    def example(cls) -> Self:
        return cls(**received("release", 2, "ward"), events=(story_id("held", "old dose"),))
