"""What is measured of a specimen, and what characterises the patient."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.events.channels import LABS, Channel
from twin.events.envelope import ClinicalEnvelope, Name, Quantity
from twin.events.event_time import EventTime
from twin.events.story import at, received, story_id


class Measurement(ClinicalEnvelope):
    """What was measured of a specimen drawn at ``time``.

    ``below_lloq`` marks a result reported only as under the lower limit ``lloq``, ``above_uloq`` one reported only as
    over the upper limit ``uloq``; without the limit, ``value`` is taken for it. ``draw_time_sd`` is the standard
    deviation of the true time of drawing around ``time``, where that was written down roughly. ``reported`` is when the
    result could first be read, where its source says so: nobody decided anything by it before.
    """

    analyte: Name
    value: Quantity
    lloq: Quantity | None = None
    below_lloq: bool = False
    uloq: Quantity | None = None
    above_uloq: bool = False
    draw_time_sd: Quantity | None = None
    reported: EventTime | None = None

    @model_validator(mode="after")
    def _lies_on_one_side(self) -> Measurement:
        if self.below_lloq and self.above_uloq:
            raise ValueError("a result cannot be 'below_lloq' and 'above_uloq' at once; keep one")
        return self


class DrugLevel(Measurement):
    """A drug concentration."""

    sent_on: ClassVar[Channel] = LABS

    kind: Literal["drug_level"] = "drug_level"

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("level", 3, "lab"),
            status="corrected",
            replaces=story_id("level", "preliminary"),
            analyte="docetaxel",
            value=Quantity(value=92.0, unit="ng/mL"),
            lloq=Quantity(value=2.0, unit="ng/mL"),
        )


class LabResult(Measurement):
    """A laboratory or clinical finding; ``analyte`` is an output or covariate name of the model.

    Grades, counts and looks for an event (1: it happened at this instant, 0: not by then) are values in unit ``1``.
    """

    sent_on: ClassVar[Channel] = LABS

    kind: Literal["lab_result"] = "lab_result"
    loinc: Annotated[str, Field(pattern=r"^\d{1,5}-\d$")] | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("count", 120, "lab"),
            analyte="neutrophils",
            value=Quantity(value=1.4, unit="10*9/L"),
            loinc="751-8",
            reported=at(121.5),
        )


class Covariate(ClinicalEnvelope):
    """A patient characteristic that holds from ``time`` on (body surface area, AAG, weight, concomitant drug).

    A categorical one may be sent as the name of its ``level`` in the model (``poor``) instead of its value.
    """

    sent_on: ClassVar[Channel] = LABS

    kind: Literal["covariate"] = "covariate"
    name: Name
    value: Quantity | None = None
    level: Name | None = None

    @model_validator(mode="after")
    def _has_one_value(self) -> Covariate:
        if (self.value is None) == (self.level is None):
            raise ValueError("a covariate has either 'value' or 'level'; send one of them")
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(**received("AAG", -0.9, "ehr"), name="AAG", value=Quantity(value=0.94, unit="g/L"))
