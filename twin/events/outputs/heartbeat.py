"""That a worker lives, and how far it is."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from twin.events.bounds import Size, Tag, Whole
from twin.events.channels import HEARTBEATS, Channel
from twin.events.envelope import Event, PatientId
from twin.events.event_time import EventTime
from twin.events.story import at

MOST_SEALED = 100
"""Sealed twins that a heartbeat names at most."""


class Heartbeat(Event):
    """A worker's word, every second, about one partition: the same number of every topic, and so the same patients.

    ``time`` is the worker's clock. ``lag`` counts input records that are at the broker and not handled yet, and
    ``behind_seconds`` is how long ago the newest handled one came while others wait. ``barrier_seconds`` have passed
    since all that was handled was last made permanent. ``state``: *live*; *behind*, catching up; *stuck*, unable to
    make permanent what it handled; *stopped*, the last word of a worker that gives the partition back. ``sealed`` says
    of twins that take nothing any more why not.
    """

    sent_on: ClassVar[Channel] = HEARTBEATS

    v: Literal[1] = 1
    kind: Literal["heartbeat"] = "heartbeat"
    worker: Tag
    partition: Whole
    partitions: Annotated[int, Field(ge=1, le=100_000)]
    time: EventTime
    state: Literal["live", "behind", "stuck", "stopped"]
    lag: Whole
    behind_seconds: Size
    barrier_seconds: Size
    sealed: dict[PatientId, Tag] = Field(default_factory=dict, max_length=MOST_SEALED)

    @classmethod
    def example(cls) -> Self:
        return cls(
            worker="ward-1",
            partition=2,
            partitions=4,
            time=at(121),
            state="behind",
            lag=1240,
            behind_seconds=75.0,
            barrier_seconds=12.5,
            sealed={"P-0009": "model_changed"},
        )
