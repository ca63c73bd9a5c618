"""Lengths of time: event times are whole milliseconds since 1970 (UTC), a model counts in a unit of its own."""

from __future__ import annotations

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

UNIT_MS = {"min": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
"""Milliseconds in a model's unit of time."""

UNIT_HOURS = {"min": 1.0 / 60.0, "h": 1.0, "d": 24.0}
"""Hours in a model's unit of time."""
