"""What wearables and monitors read."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from twin.events.channels import VITALS, Channel
from twin.events.envelope import ClinicalEnvelope, Name, Quantity
from twin.events.story import received


class VitalSample(ClinicalEnvelope):
    """One reading of a wearable or monitor."""

    sent_on: ClassVar[Channel] = VITALS

    kind: Literal["vital_sample"] = "vital_sample"
    device_id: Name
    channel: Literal[
        "heart_rate", "spo2", "body_temperature", "systolic_bp", "diastolic_bp", "respiratory_rate", "steps"
    ]
    value: Quantity

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("pulse", 0.5, "wearable"),
            device_id="wrist-9",
            channel="heart_rate",
            value=Quantity(value=74.0, unit="/min"),
        )
