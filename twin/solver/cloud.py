"""Where the particles of a patient stand at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from twin.arrays import Floats
from twin.resting_arrays import Resting
from twin.timeline.segments import ALWAYS, Segment


@dataclass(frozen=True)
class Cloud(Resting):
    """States of N particles at ``millis``: modal linear states z (N, L) and stepped y (N, S).

    The modes are those of covariate epoch ``epoch`` and of the effects of ``segment``. A cloud is the state just before
    anything that happens at ``millis`` itself.
    """

    RESTS: ClassVar[Mapping[str, str]] = {"z": "<f8", "y": "<f8"}

    millis: int
    epoch: int
    z: Floats
    y: Floats
    segment: Segment = ALWAYS
