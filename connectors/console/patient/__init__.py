"""A patient's page beside its curves: what the twin's own predictions were worth, and what its model says of itself.

In come what was measured of a patient with what had been expected, and model files. Out go small frozen values.
"""
