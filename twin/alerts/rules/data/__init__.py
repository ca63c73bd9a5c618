"""Rules about what reaches the twin: whether it comes, when, and whether it can be true.

In come snapshots with devices and what was received. Nothing here judges the patient. Out go findings about each
device.
"""
