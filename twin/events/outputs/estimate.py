"""What the twin believes now."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from twin.events.bands import Band
from twin.events.bounds import Probability, Share, Size, Tag, Text, Whole
from twin.events.channels import ESTIMATES, Channel
from twin.events.envelope import Frozen, OutputEvent, Quantity
from twin.events.event_time import EventTime
from twin.events.story import at, published

KernelHash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}(,[0-9a-f]{16}){0,31}$", description="of generated code")]
"""16 hex digits over the generated code of a model, of rival ones joined by commas."""


class Exposure(Frozen):
    """Exposure to a drug against its target window, of which one limit may be missing.

    ``measure``: of a whole *course*, of a *day*, the *trough* before the next dose, or the *time_above* a level during
    a course. ``at_end`` is what it will be once it is complete, with the doses that are planned or usual until then;
    where they are not known nothing is said of the end, nor of the probability that it is below. ``p_above`` is then
    that of the doses given so far.
    """

    measure: Literal["course", "day", "trough", "time_above"] = "course"
    so_far: Band
    at_end: Band | None = None
    target_low: float | None = None
    target_high: float | None = None
    p_below: Probability | None = None
    p_above: Probability | None = None


class PriorRange(Frozen):
    """A parameter in patients with these characteristics, in its unit: of the typical one, and from 5 % to 95 %."""

    q05: float
    median: float
    q95: float


class DueDose(Frozen):
    """The next dose of a drug as the plan stands; without ``duration`` it is given at once."""

    time: EventTime
    amount: Quantity
    duration: Quantity | None = None


class PlannedByNow(Frozen):
    """What should be given of a drug now, and what should have been since the record began, as the plan stands."""

    rate: Quantity
    amount: Quantity


class Estimate(OutputEvent):
    """The twin at ``time``: model outputs (without residual error), individual parameters, exposure, health.

    ``delivered_rate`` is what the pumps deliver at ``time`` and ``delivered`` the cumulative amount, per drug.
    ``kernel_hash`` is that of the generated code that computed it, of rival models joined by commas.
    ``priors`` say of each parameter what was to be expected of this patient before anything was measured.
    ``model_weights`` are those of rival models whose average this is; such a twin has no parameters of its own.
    ``class_probability``, of a model with classes that nobody sees, is how probable it is by class that the patient is
    of it; all else is averaged over the classes, and ``priors`` are left out.
    ``running``, while a pump is silent, is the probability by drug that it runs; all else is averaged over when it may
    have stopped.
    ``taken``, while it is in doubt whether a dose was, is the probability by drug that the newest such dose was taken.
    ``notes`` say what of the present course was not counted as it was told.
    ``due`` is by drug the dose that is to begin next by the plan, and ``planned`` what should have been given of it by
    now, to be held against what was.
    """

    sent_on: ClassVar[Channel] = ESTIMATES
    replay_file: ClassVar[str] = "estimates.ndjson"

    kind: Literal["estimate"] = "estimate"
    outputs: tuple[Band, ...]
    parameters: tuple[Band, ...]
    exposure: tuple[Exposure, ...] = ()
    delivered_rate: dict[Tag, Quantity]
    delivered: dict[Tag, Quantity]
    ess: Size
    log_evidence: float
    observations: Whole
    kernel_hash: KernelHash
    priors: dict[Tag, PriorRange] | None = None
    model_weights: dict[Tag, Share] | None = None
    class_probability: dict[Tag, Probability] | None = None
    running: dict[Tag, Probability] | None = None
    taken: dict[Tag, Probability] | None = None
    notes: tuple[Text, ...] | None = None
    due: dict[Tag, DueDose] | None = None
    planned: dict[Tag, PlannedByNow] | None = None

    @classmethod
    def example(cls) -> Self:
        exposure = Exposure(
            so_far=Band.around("AUC", "mg.h/L", 3.1),
            at_end=Band.around("AUC", "mg.h/L", 3.1),
            target_low=2.5,
            target_high=4.0,
            p_below=0.06,
            p_above=0.02,
        )
        return cls(
            **published("estimate", 121),
            outputs=(Band.around("neutrophils", "10*9/L", 1.5),),
            parameters=(Band.around("CL", "L/h", 31.0),),
            exposure=(exposure,),
            delivered_rate={"docetaxel": Quantity(value=0.0, unit="mg/h")},
            delivered={"docetaxel": Quantity(value=99.2, unit="mg")},
            ess=734.5,
            log_evidence=-3.2,
            observations=2,
            kernel_hash="9c1e44d0a7b35f28",
            priors={"CL": PriorRange(q05=19.0, median=35.7, q95=67.2)},
            due={"docetaxel": DueDose(time=at(504), amount=Quantity(value=100.0, unit="mg"))},
            planned={
                "docetaxel": PlannedByNow(rate=Quantity(value=0, unit="mg/h"), amount=Quantity(value=100.0, unit="mg"))
            },
        )
