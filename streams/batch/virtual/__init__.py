"""Studies of virtual patients on all cores: `twin.virtual` with the simulated ward's patients and the twins' advice.

In comes a study file with those it names beside it. Out go figures, a page, and a row for every patient and arm.
"""
