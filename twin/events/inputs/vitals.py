"""What wearables and monitors read."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from twin.events.channels import VITALS, Channel
from twin.events.envelope import ClinicalEnvelope, Name, Quantity
from twin.events.story import received

VITAL_RANGES: dict[str, tuple[str, float, float]] = {
    "heart_rate": ("/min", 10, 350),
    "spo2": ("1", 0.2, 1.0),
    "body_temperature": ("Cel", 25, 45),
    "systolic_bp": ("mm[Hg]", 20, 350),
    "diastolic_bp": ("mm[Hg]", 10, 250),
    "respiratory_rate": ("/min", 1, 120),
    "body_weight": ("kg", 0.3, 500),
    "steps": ("{steps}", 0, 200_000),
}
"""Unit and hard range of each channel; outside lies the impossible or a sensor's sentinel, not an ill patient."""


class VitalSample(ClinicalEnvelope):
    """One reading of a wearable or monitor.

    Where its device's clock was off, ``time`` is by a right one, and ``clock_behind`` what the device's own was behind
    (negative: ahead); 0 once it is right again. Without it nothing is said of the clock.
    """

    sent_on: ClassVar[Channel] = VITALS

    kind: Literal["vital_sample"] = "vital_sample"
    device_id: Name
    channel: Literal[
        "heart_rate",
        "spo2",
        "body_temperature",
        "systolic_bp",
        "diastolic_bp",
        "respiratory_rate",
        "body_weight",
        "steps",
    ]
    value: Quantity
    clock_behind: Quantity | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("pulse", 0.5, "wearable"),
            device_id="wrist-9",
            channel="heart_rate",
            value=Quantity(value=74.0, unit="/min"),
        )
