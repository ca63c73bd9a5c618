"""A pharmacometrician's data file: doses, observations and covariates of every patient in it.

In come the records of an NM-TRAN style CSV file, read as NONMEM reads them, and a model. Out go typed events: doses,
levels and counts, covariates, resets, or the line and the reason why a record cannot be used.
"""

from __future__ import annotations

from connectors.feeds.nmtran.feed import open_feed

__all__ = ["open_feed"]
