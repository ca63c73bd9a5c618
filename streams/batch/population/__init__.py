"""Populations estimated from recorded patients.

In come cases, a model and a method. Out go a fit's estimates with what is known of their certainty, as JSON and as a
model file, and on the way a file from which an interrupted search goes on.
"""
