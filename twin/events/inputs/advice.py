"""What a person asks the twin: what should be given next."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.events.bounds import MOST_BRANCHES, BranchWords, Tag, Text
from twin.events.channels import COMMANDS, Channel
from twin.events.envelope import ClinicalEnvelope, Frozen, ModelName, Name, StaffId
from twin.events.story import received


class Genotype(Frozen):
    """What is known of a gene: its activity score or the phenotype, as ``1.5`` or ``poor``."""

    gene: Tag
    value: Tag


class AdviceRequested(ClinicalEnvelope):
    """Somebody asks what to give next, or at which rate now; the answer is an `advice` event that names this one.

    It is answered by what is believed at ``time``, with all that was known of then, whenever it comes. ``by`` says who
    asks and ``reason`` what for. Without a ``drug`` it is the drug under study; without a ``protocol`` the one that the
    drug was ordered by, or the only one that the worker was given of it, or what is assumed where there is none.
    ``genotypes`` are those that are known, for what published rules say of a first dose; of others nothing is assumed.
    ``branches`` are what-ifs that are foreseen beside the plan; where ``asks`` is *what_if* they are all that is asked
    for, which is answered several times as fast, and no dose is advised. Asking moves no belief. One sent by mistake
    is retracted.
    """

    sent_on: ClassVar[Channel] = COMMANDS

    kind: Literal["advice_requested"] = "advice_requested"
    by: StaffId
    reason: Text = ""
    asks: Literal["dose", "what_if"] = "dose"
    drug: Name | None = None
    protocol: ModelName | None = None
    genotypes: Annotated[tuple[Genotype, ...], Field(max_length=16)] = ()
    branches: Annotated[tuple[BranchWords, ...], Field(max_length=MOST_BRANCHES)] = ()

    @model_validator(mode="after")
    def _says_each_gene_once(self) -> Self:
        genes = [one.gene for one in self.genotypes]
        twice = next((gene for gene in genes if genes.count(gene) > 1), None)
        if twice is not None:
            raise ValueError(f"'genotypes' has {twice} twice; say what is known of it once")
        return self

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.asks == "what_if" and not self.branches:
            raise ValueError("'asks' is 'what_if' and 'branches' is empty; name one, as 'delay docetaxel 7 d'")
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("advice request", 121.25, "ward"),
            by="physician-3",
            reason="Rounds: the dose of the second cycle.",
            drug="docetaxel",
            branches=("delay docetaxel 7 d",),
        )
