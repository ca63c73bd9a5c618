"""Searches for covariates over recorded patients.

In come cases, a model and what is to be looked at. Out go the steps of a search as a table and as JSON, and the model
that it ended with; on the way every fit is written down, so that an interrupted search goes on.
"""
