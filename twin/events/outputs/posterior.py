"""What a twin says of itself so that its population can be learnt."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from twin.events.bounds import Tag, Whole
from twin.events.channels import POSTERIORS, Channel
from twin.events.envelope import Envelope
from twin.events.story import published

MOST_SEALED = 3_000_000
"""Characters of a belief that is sent: a record of Kafka holds it."""


class Posterior(Envelope):
    """The belief after the value at ``time``; it takes the place of what was said of the patient before.

    ``sealed_base64`` is the message (particles, weights, the population they were weighed under, characteristics,
    sums of squared residuals) as the patient's key encrypts it: particles of one patient are personal data, and gone
    with the key.
    """

    sent_on: ClassVar[Channel] = POSTERIORS

    kind: Literal["posterior"] = "posterior"
    model: Tag
    model_hash: Tag
    observations: Whole
    particles: Whole
    sealed_base64: Annotated[str, Field(min_length=1, max_length=MOST_SEALED)]

    @classmethod
    def example(cls) -> Self:
        return cls(**published("posterior", 121), observations=2, particles=1000, sealed_base64="c2VhbGVk")
