"""What pumps say: what they deliver, what they delivered, and whose they are.

Device and status terms follow IHE PCD TF rev. 9 vol. 2 (IPEC) and HL7 v2 table 0085.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from twin.events.channels import PUMP, Channel
from twin.events.envelope import ClinicalEnvelope, Name, Quantity
from twin.events.story import received


class PumpDelivery(ClinicalEnvelope):
    """What a pump channel delivers from ``time`` on, until its next word (IPEC START, STOP, COMPLETE or a sample).

    The rate is either a drug rate (``mg/h``) or a volume rate (``mL/h``) with ``concentration`` (``mg/mL``).
    ``phase`` says why the pump spoke; ``sample`` is the periodic report of an unchanged segment. Where the pump's clock
    was off, ``time`` is by a right one, and ``clock_behind`` what the pump's own was behind (negative: ahead).
    """

    sent_on: ClassVar[Channel] = PUMP

    kind: Literal["pump_delivery"] = "pump_delivery"
    device_id: Name
    drug: Name
    phase: Literal["start", "stop", "complete", "sample"]
    delivery_status: Literal["delivering", "not-delivering", "transitioning", "kvo"]
    rate: Quantity
    programmed_rate: Quantity | None = None
    concentration: Quantity | None = None
    not_delivering_reason: Name | None = None
    clock_behind: Quantity | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("start", 0, "pump"),
            device_id="pump-4",
            drug="docetaxel",
            phase="start",
            delivery_status="delivering",
            rate=Quantity(value=250.0, unit="mL/h"),
            programmed_rate=Quantity(value=250.0, unit="mL/h"),
            concentration=Quantity(value=0.4, unit="mg/mL"),
        )


class PumpTotals(ClinicalEnvelope):
    """A pump's cumulative counter: what it delivered since the counter was last cleared.

    Of an elastomeric pump, which tells nothing, it is what went in by weight or volume: 0 at the start, and at the end.
    ``clock_behind`` is as of `PumpDelivery`.
    """

    sent_on: ClassVar[Channel] = PUMP

    kind: Literal["pump_totals"] = "pump_totals"
    device_id: Name
    drug: Name
    delivered: Quantity
    concentration: Quantity | None = None
    clock_behind: Quantity | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("counter", 1, "pump"),
            device_id="pump-4",
            drug="docetaxel",
            delivered=Quantity(value=248.0, unit="mL"),
            concentration=Quantity(value=0.4, unit="mg/mL"),
        )


class DeviceAssociation(ClinicalEnvelope):
    """A device is bound to the patient (or released); while bound it is expected to speak every ``expected_every``."""

    sent_on: ClassVar[Channel] = PUMP

    kind: Literal["device_association"] = "device_association"
    device_id: Name
    associated: bool
    expected_every: Quantity | None = None

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("bind", -0.5, "ward"),
            device_id="pump-4",
            associated=True,
            expected_every=Quantity(value=60.0, unit="s"),
        )


class DeviceAlert(ClinicalEnvelope):
    """A pump says that something is wrong with it (IHE PCD-04): its delivery is doubtful, at a rate that is not told.

    ``condition`` is the alert's name in IEEE 11073-10101 (``MDC_EVT_FLUID_LINE_OCCL``); ``stops_delivery`` tells
    whether a pump delivers nothing under it. It never stands for a stop, whose time and rate the pump says itself.
    """

    sent_on: ClassVar[Channel] = PUMP

    kind: Literal["device_alert"] = "device_alert"
    device_id: Name
    condition: Name
    phase: Literal["start", "continue", "end"]
    priority: Literal["high", "medium", "low", "none"] | None = None
    stops_delivery: bool = False

    @classmethod
    def example(cls) -> Self:
        return cls(
            **received("occlusion", 1.5, "pump"),
            device_id="pump-4",
            condition="MDC_EVT_FLUID_LINE_OCCL",
            phase="start",
            priority="high",
            stops_delivery=True,
        )
