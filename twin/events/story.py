"""The invented patient of the examples: on docetaxel, and no patient is behind it.

An example is built through its own event model, so none can be invalid.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from twin.events.identity import event_id

PATIENT = "P-0017"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""The first infusion of the story."""


def at(hours: float) -> datetime:
    """Event time, in hours after `START`."""
    return START + timedelta(hours=hours)


def story_id(*parts: object) -> str:
    """Id of a fact of the story."""
    return event_id("example", *parts)


def received(identity: str, hours: float, source: str) -> dict[str, Any]:
    """What an input of the story carries besides its own fields."""
    return {"event_id": story_id(identity), "patient_id": PATIENT, "time": at(hours), "source": source}


def published(identity: str, hours: float) -> dict[str, Any]:
    """What an output of the story carries besides its own fields."""
    model = {"model": "docetaxel_ozawa2007", "model_hash": "5f0c2a9be1d44a37"}
    return received(identity, hours, "twin") | model
