"""What a person asks the twin: what should be given next."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from twin.events.bounds import Text
from twin.events.channels import COMMANDS, Channel
from twin.events.envelope import ClinicalEnvelope, ModelName, Name
from twin.events.story import received


class AdviceRequested(ClinicalEnvelope):
    """Somebody asks what to give next, or at which rate now; the answer is an `advice` event that names this one.

    It is answered by what is believed at ``time``, with all that was known of then, whenever it comes. ``by`` says who
    asks and ``reason`` what for. Without a ``drug`` it is the drug under study; without a ``protocol`` the one that the
    drug was ordered by, or the only one that the worker was given of it, or what is assumed where there is none. Asking
    moves no belief. One sent by mistake is retracted.
    """

    sent_on: ClassVar[Channel] = COMMANDS

    kind: Literal["advice_requested"] = "advice_requested"
    by: Name
    reason: Text = ""
    drug: Name | None = None
    protocol: ModelName | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("advice request", 121.25, "ward"),
            by="physician-3",
            reason="Rounds: the dose of the second cycle.",
            drug="docetaxel",
        )
