"""What may be given next, each way with its odds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.events.bounds import MOST_BRANCHES, BranchWords, ModelTag, Probability, Size, Tag, Text, UnitCode
from twin.events.channels import ADVICE, Channel
from twin.events.envelope import EventId, Frozen, OutputEvent
from twin.events.event_time import EventTime
from twin.events.story import at, published, story_id
from twin.wording import Wording, say, share

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
    """What a published rule says, in mg from ``low_mg`` to ``high_mg``, and where and why the advice differs;
    ``compared`` is made from what is ``said``."""

    rule: Tag
    low_mg: Size
    high_mg: Size
    source: Text
    compared: Text
    said: Wording | None = None


class SpokenRule(Frozen):
    """What a published rule says that is no dose of the drug that is advised on; ``words`` are made from what is
    ``said``."""

    rule: Tag
    words: Text
    said: Wording | None = None
    source: Text


class BranchBand(Frozen):
    """Quantiles of one model output along a branch, each a tuple as long as ``Advice.ahead`` (no residual error)."""

    output: Tag
    unit: UnitCode
    q05: tuple[float, ...]
    median: tuple[float, ...]
    q95: tuple[float, ...]


class WhatIf(Frozen):
    """A branch as it is foreseen: ``words`` say what is changed; one that cannot be followed only has a ``problem``,
    made from what is ``said``."""

    words: BranchWords
    problem: Text | None = None
    said: Wording | None = None
    ess: Size | None = None
    outputs: tuple[BranchBand, ...] = ()
    toxicities: tuple[HarmOdds, ...] = ()


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
    is *advised*, *foreseen* (what-ifs alone were asked for), *none* (the ``reason`` says why there is nothing to advise
    on) or *withdrawn*, as late, corrected or retracted data removed the cause. ``alternatives`` begin with the planned
    dose and end with the advised one. ``branches`` are the what-ifs of a request, the plan first, along the times
    ``ahead``. ``said`` is what ``reason`` was made from, by which it is told in other languages, and ``note_said`` what
    ``note`` was.

    Data that come late give another ``event_id`` under the same ``advice_id``; the newest record counts. The
    same facts give the same bytes, in whatever order they came.
    """

    sent_on: ClassVar[Channel] = ADVICE
    replay_file: ClassVar[str] = "advice.ndjson"

    kind: Literal["advice"] = "advice"
    advice_id: EventId
    cause: EventId
    about: AdviceCause
    outcome: Literal["advised", "foreseen", "none", "withdrawn"]
    drug: Tag
    protocol: ModelTag | None = None
    protocol_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    decision: Literal["rate now", "rest of the course", "next dose"] | None = None
    reason: Text
    said: Wording | None = None
    note: Text | None = None
    note_said: Wording | None = None
    ess: Size | None = None
    alternatives: tuple[Alternative, ...] = ()
    published: tuple[PublishedRule, ...] = ()
    spoken: tuple[SpokenRule, ...] = ()
    next_sample: NextSample | None = None
    ahead: Annotated[tuple[EventTime, ...], Field(max_length=400)] = ()
    branches: Annotated[tuple[WhatIf, ...], Field(max_length=MOST_BRANCHES + 1)] = ()

    @model_validator(mode="after")
    def _has_a_value_for_each_time(self) -> Self:
        for one in self.branches:
            for band in one.outputs:
                if {len(band.q05), len(band.median), len(band.q95)} != {len(self.ahead)}:
                    raise ValueError(f"branch '{one.words}': '{band.output}' has no value for each time of 'ahead'")
        return self

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

        def branch(words: str, p: float, median: tuple[float, ...]) -> WhatIf:
            band = BranchBand(
                output="neutrophils",
                unit="10*9/L",
                q05=tuple(0.5 * x for x in median),
                median=median,
                q95=tuple(2.0 * x for x in median),
            )
            harm = HarmOdds(toxicity="neutropenia_g4", p=p, se=0.015)
            return WhatIf(words=words, ess=612.0, outputs=(band,), toxicities=(harm,))

        limit = say("dose.limit", "P({toxicity}) within {p}", toxicity="neutropenia_g4", p=share(0.25))
        keeps = say("dose.keeps", " that keeps {limits}", limits=limit)
        reason = say("dose.largest", "The largest allowed dose{keeps}{later}.", keeps=keeps, later="")
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
            reason=str(reason),
            said=reason.wording,
            ess=612.0,
            alternatives=(way("planned", 1.0, 0.41), way("advised", 0.75, 0.22)),
            next_sample=NextSample(output="neutrophils", time=at(192), gain_bits=0.8, gain_se=0.05, kept=0.6),
            ahead=(at(121.25), at(625.25)),
            branches=(
                branch("as planned", 0.41, (0.4, 4.1)),
                branch("delay docetaxel 7 d", 0.28, (0.4, 3.9)),
            ),
        )
