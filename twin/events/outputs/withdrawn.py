"""What the twin said and takes back."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from twin.events.bounds import Tag, UnitCode
from twin.events.channels import ESTIMATES, Channel
from twin.events.envelope import Frozen, OutputEvent
from twin.events.story import published


class Series(Frozen):
    """A quantity of which something was said: its ``name`` and ``unit``."""

    name: Tag
    unit: UnitCode


class Withdrawn(OutputEvent):
    """What was said of ``time`` and has no reason any more, as data came late, were corrected or retracted.

    Unless there still is an estimate at ``time`` (``estimated``), that one is withdrawn: ``outputs``, ``parameters``,
    ``exposure``, ``drugs`` and ``classes`` name what it told of. Unless there still is a forecast from ``time`` on
    (``foreseen``), that one is, with its ``nadir``. ``measured`` are outputs of which no value was measured then after
    all: what was expected of it is withdrawn. What is said of ``time`` after this stands again.
    """

    sent_on: ClassVar[Channel] = ESTIMATES
    replay_file: ClassVar[str] = "estimates.ndjson"

    kind: Literal["withdrawn"] = "withdrawn"
    estimated: bool
    foreseen: bool
    outputs: tuple[Series, ...] = ()
    parameters: tuple[Series, ...] = ()
    exposure: tuple[Series, ...] = ()
    nadir: tuple[Series, ...] = ()
    drugs: tuple[Tag, ...] = ()
    classes: tuple[Tag, ...] = ()
    measured: tuple[Series, ...] = ()

    @classmethod
    def example(cls) -> Self:
        neutrophils = Series(name="neutrophils", unit="10*9/L")
        return cls(
            **published("withdrawn", 119.5),
            estimated=False,
            foreseen=False,
            outputs=(neutrophils,),
            parameters=(Series(name="CL", unit="L/h"),),
            exposure=(Series(name="AUC", unit="mg.h/L"),),
            nadir=(neutrophils,),
            drugs=("docetaxel",),
            measured=(neutrophils,),
        )
