"""A simulated ward: patients of the models' own populations, with pumps, wearables, laboratory and staff.

In come models, a seed and a start. Out go the events that such a ward would send, faults included, and the truth about
its patients.
"""

from __future__ import annotations

from connectors.feeds.ward.feed import open_feed

__all__ = ["open_feed"]
