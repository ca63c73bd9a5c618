"""Profiles of sources and facts of theirs, as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors.facts.codes import Codes
from connectors.facts.fact import Fact, Moment, Subject
from connectors.facts.patients import Pseudonyms
from connectors.facts.profile import Profile, Protocol
from twin.events import Quantity

KEY = b"a key of sixteen bytes and more"
ZONE = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SOMEONE = Subject("12/34 X", "EAST", "MR")
ANOTHER = Subject("99", "EAST", "MR")


def profile(protocol: Protocol | str = "hl7", **changes: Any) -> Profile:
    """A source that speaks a protocol, with nothing in its profile but what is said."""
    test = bool(changes.get("test", False))
    given: dict[str, Any] = {
        "source": "lab-east",
        "protocol": protocol,
        "codes": Codes(),
        "pseudonyms": Pseudonyms(KEY, test=test),
    }
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
