"""Recorded patients without a server.

In come NM-TRAN or NDJSON files and a model. Out go replays, estimates and validations of every patient, on all cores,
with each failure reported and the rest unharmed.
"""
