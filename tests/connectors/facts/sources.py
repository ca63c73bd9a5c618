"""Profiles of sources and facts of theirs, as tests need them."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.facts.codes import Codes
from connectors.facts.fact import Fact, Moment, Subject
from connectors.facts.field_map import Mapped
from connectors.facts.patients import Pseudonyms
from connectors.facts.profile import Profile, Protocol
from twin.events import Quantity

KEY = b"a key of sixteen bytes and more"
ZONE = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SOMEONE = Subject("12/34 X", "EAST", "MR")
ANOTHER = Subject("99", "EAST", "MR")


MAPS = """
[[map]]
kind = "vital_sample"
time = { at = "/t", epoch = "ms" }
fields.channel = "heart_rate"
fields.value = { at = "/hr", unit = "/min" }

[[map]]
kind = "lab_result"
each = "/results"
id = "/id"
patient = "/who"
time = { at = "/drawn" }
fields.analyte = { at = "/test", words = { ANC = "neutrophils" } }
fields.value = { at = "/v", unit_at = "/u" }
fields.reported = { at = "/released" }

[[map]]
kind = "pump_delivery"
time = { at = "/pump/t", epoch = "s" }
fields.device_id = { at = "/pump/serial" }
fields.drug = { at = "/pump/drug" }
fields.phase = { at = "/pump/state", words = { RUN = "start", HALT = "stop" } }
fields.delivery_status = { at = "/pump/state", words = { RUN = "delivering", HALT = "not-delivering" } }
fields.rate = { at = "/pump/ml_h", unit = "mL/h" }
fields.programmed_rate = { at = "/pump/set", unit = "mL/h" }
fields.concentration = { value = 0.4, unit = "mg/mL" }
"""
"""The map of a source that sends JSON of its own: a wrist's pulse, results of a laboratory, a pump."""


def profile(protocol: Protocol | str = "hl7", **changes: Any) -> Profile:
    """A source that speaks a protocol, with nothing in its profile but what is said."""
    test = bool(changes.get("test", False))
    given: dict[str, Any] = {
        "source": "lab-east",
        "protocol": protocol,
        "codes": Codes(),
        "pseudonyms": Pseudonyms(KEY, test=test),
    }
    if protocol == "fields":
        given["maps"] = tuple(Mapped.model_validate(one) for one in tomllib.loads(MAPS)["map"])
    return Profile(**(given | changes))


def count(value: float = 3.4, **changes: Any) -> Fact:
    """Neutrophils of a laboratory."""
    given: dict[str, Any] = {
        "key": ("lab", "order 7", "neutrophils"),
        "kind": "lab_result",
        "fields": {"analyte": "neutrophils", "value": Quantity(value=value, unit="10*9/L")},
        "subject": SOMEONE,
        "moment": Moment(NOON),
        "place": "OBX[1]",
        "status": "final",
    }
    return Fact(**(given | changes))
