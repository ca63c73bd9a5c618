"""Where the particles of a patient stand at one instant."""

from __future__ import annotations

from dataclasses import dataclass

from twin.arrays import Floats
from twin.timeline.segments import ALWAYS, Segment


@dataclass(frozen=True)
class Cloud:
    """States of N particles at ``millis``: modal linear states z (N, L) and stepped y (N, S).

    The modes are those of covariate epoch ``epoch`` and of the effects of ``segment``. A cloud is the state just before
    anything that happens at ``millis`` itself.
    """

    millis: int
    epoch: int
    z: Floats
    y: Floats
    segment: Segment = ALWAYS
