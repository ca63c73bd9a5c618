"""What was ordered, what was recorded as given, and since when the patient is followed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.events.channels import ORDERS, Channel
from twin.events.envelope import ClinicalEnvelope, Frozen, ModelName, Name, Quantity
from twin.events.event_time import EventTime
from twin.events.story import at, received


class DoseGiven(ClinicalEnvelope):
    """A dose recorded as given, from ``time``: at once, or at a constant rate over ``duration``.

    With ``steady_every`` the patient has had this dose at this interval for so long that everything stands, just before
    it, where it stood one interval earlier; what was recorded before counts no more (NM-TRAN: SS = 1 with II).
    ``device_id`` is the pump that gives it: what that pump tells of it counts, and the dose is not counted beside it.

    With ``state`` it enters that state of the model alone, else all that the drug enters by this route (NM-TRAN: CMT).
    An infusion that ``keeps`` its rate ends sooner where a part of the amount is not available (NM-TRAN: RATE); else it
    lasts as long as is recorded, at a lower rate.

    ``taken`` is the probability that the patient took it, where only a bottle was opened or an injector unlocked;
    without it, or of 1, the dose was seen.
    """

    sent_on: ClassVar[Channel] = ORDERS

    kind: Literal["dose_given"] = "dose_given"
    drug: Name
    route: Literal["iv", "oral", "sc", "im", "ip"]
    amount: Quantity
    duration: Quantity | None = None
    steady_every: Quantity | None = None
    device_id: Name | None = None
    state: Name | None = None
    keeps: Literal["rate"] | None = None
    taken: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _a_steady_state_was_taken(self) -> DoseGiven:
        if self.steady_every is not None and self.taken is not None and self.taken < 1:
            raise ValueError("'taken' is of one dose; leave it out where 'steady_every' stands for those before it")
        return self

    @property
    def entrance(self) -> str:
        """Where it enters: its route, and the state if it enters one alone (`twin.model.entrances`)."""
        return self.route if self.state is None else f"{self.route} into {self.state}"

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("dexamethasone", -0.25, "ehr"),
            drug="dexamethasone",
            route="iv",
            amount=Quantity(value=8.0, unit="mg"),
        )


class StateReset(ClinicalEnvelope):
    """From ``time`` on the patient begins anew: every state has its initial value, and doses recorded before are over.

    What a pump delivers goes on (NM-TRAN: EVID 3, and 4 together with a dose).
    """

    sent_on: ClassVar[Channel] = ORDERS

    kind: Literal["state_reset"] = "state_reset"

    @classmethod
    def example(cls) -> Self:
        return cls(**received("reset", -0.1, "ehr"))


class FollowUpBegun(ClinicalEnvelope):
    """From ``time`` on the patient is followed: time counts from then, and what is awaited could have happened.

    Of several the earliest counts. A dose or a value of before begins the record earlier, as it does where nobody says
    this (NM-TRAN: the first record of an individual, whatever it is).
    """

    sent_on: ClassVar[Channel] = ORDERS

    kind: Literal["follow_up_begun"] = "follow_up_begun"

    @classmethod
    def example(cls) -> Self:
        return cls(**received("follow_up", -0.95, "ehr"))


class PlannedDose(Frozen):
    """One dose of a plan; without ``duration`` it is given at once."""

    time: EventTime
    amount: Quantity
    duration: Quantity | None = None


class RegimenPlanned(ClinicalEnvelope):
    """The ordered regimen of one drug. A newer plan replaces what an older one says from its own ``time`` on.

    ``protocol`` and ``ward`` name by what and where it was ordered: thresholds of alerts may be others there.
    """

    sent_on: ClassVar[Channel] = ORDERS

    kind: Literal["regimen_planned"] = "regimen_planned"
    drug: Name
    route: Literal["iv", "oral", "sc", "im", "ip"] = "iv"
    doses: Annotated[tuple[PlannedDose, ...], Field(min_length=1, max_length=400)]
    protocol: ModelName | None = None
    ward: ModelName | None = None

    @classmethod
    def example(cls) -> Self:
        amount, duration = Quantity(value=100.0, unit="mg"), Quantity(value=1.0, unit="h")
        dose = PlannedDose(time=at(0), amount=amount, duration=duration)
        return cls(**received("plan", -0.8, "ehr"), drug="docetaxel", doses=(dose,))
