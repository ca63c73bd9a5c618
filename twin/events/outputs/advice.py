"""What may be given next, each way with its odds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from twin.events.bounds import ModelTag, Probability, Size, Tag, Text, UnitCode
from twin.events.channels import ADVICE, Channel
from twin.events.envelope import EventId, Frozen, OutputEvent
from twin.events.event_time import EventTime
from twin.events.story import at, published, story_id

AdviceCause = Literal["request", "plan", "level"]
"""Why advice is given: somebody asked, the drug was ordered, or a level or count was measured."""


class AdvisedDose(Frozen):
    """A dose to come, in mg; with its rate in mg/h unless it is given at once, and whether it runs already."""

    time: EventTime
    amount_mg: Size
    rate_mg_h: Size | None = None
    running: bool = False


class WindowOdds(Frozen):
    """Where an exposure will be: its median, and the probability that it is in, below and above its window."""

    target: Tag
    unit: UnitCode
    median: float
    within: Probability
    within_se: Size
    below: Probability
    above: Probability


class HarmOdds(Frozen):
    """How likely a toxicity is within its horizon; ``limit`` is the most that the protocol lets it be."""

    toxicity: Tag
    p: Probability
    se: Size
    limit: Probability | None = None


class Alternative(Frozen):
    """One way on: ``of_plan`` is its amount of the planned one, ``allowed`` whether the protocol lets it be given."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    of_plan: Size
    amount_mg: Size
    delay_hours: Size
    allowed: bool
    doses: Annotated[tuple[AdvisedDose, ...], Field(max_length=400)]
    exposures: tuple[WindowOdds, ...]
    toxicities: tuple[HarmOdds, ...]


class PublishedRule(Frozen):
    """What a published rule says, in mg from ``low_mg`` to ``high_mg``, and where and why the advice differs."""

    rule: Tag
    low_mg: Size
    high_mg: Size
    source: Text
    compared: Text


class NextSample(Frozen):
    """The sample that is expected to tell most: ``gain_bits`` of what the dose is chosen for, with its error; ``kept``
    is the part of its standard deviation that would be left."""

    output: Tag
    time: EventTime
    gain_bits: float
    gain_se: Size
    kept: Size


class Advice(OutputEvent):
    """What may be given next of a ``drug``, each way with its odds; a person decides, and nothing goes to a device.

    ``cause`` is the id of the request, plan or measured value that decided, ``about`` which of these it is. ``outcome``
    is *advised*, *none* (the ``reason`` says why there is nothing to advise on) or *withdrawn*, as late, corrected or
    retracted data removed the cause. ``alternatives`` begin with the planned dose and end with the advised one. Data
    that come late give another ``event_id`` under the same ``advice_id``; the newest record counts. The same facts give
    the same bytes, in whatever order they came.
    """

    sent_on: ClassVar[Channel] = ADVICE
    replay_file: ClassVar[str] = "advice.ndjson"

    kind: Literal["advice"] = "advice"
    advice_id: EventId
    cause: EventId
    about: AdviceCause
    outcome: Literal["advised", "none", "withdrawn"]
    drug: Tag
    protocol: ModelTag | None = None
    protocol_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    decision: Literal["rate now", "rest of the course", "next dose"] | None = None
    reason: Text
    note: Text | None = None
    ess: Size | None = None
    alternatives: tuple[Alternative, ...] = ()
    published: tuple[PublishedRule, ...] = ()
    next_sample: NextSample | None = None

    @classmethod
    def example(cls) -> Self:
        def way(name: str, factor: float, p: float) -> Alternative:
            dose = AdvisedDose(time=at(504), amount_mg=100.0 * factor, rate_mg_h=100.0 * factor)
            return Alternative(
                name=name,
                of_plan=factor,
                amount_mg=100.0 * factor,
                delay_hours=0.0,
                allowed=True,
                doses=(dose,),
                exposures=(),
                toxicities=(HarmOdds(toxicity="neutropenia_g4", p=p, se=0.015, limit=0.25),),
            )

        return cls(
            **published("advice", 121.25),
            advice_id=story_id("advice", "id"),
            cause=story_id("advice request"),
            about="request",
            outcome="advised",
            drug="docetaxel",
            protocol="docetaxel_q3w",
            protocol_hash="0" * 16,
            decision="next dose",
            reason="The largest allowed dose that keeps P(neutropenia_g4) within 25%.",
            ess=612.0,
            alternatives=(way("planned", 1.0, 0.41), way("advised", 0.75, 0.22)),
            next_sample=NextSample(output="neutrophils", time=at(192), gain_bits=0.8, gain_se=0.05, kept=0.6),
        )
