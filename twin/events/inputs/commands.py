"""What a person tells the twin itself: which model, and that time has passed."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from twin.events.channels import COMMANDS, Channel
from twin.events.envelope import ClinicalEnvelope, InputEvent, ModelName
from twin.events.story import received


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
