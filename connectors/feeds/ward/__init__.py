"""A simulated ward: patients of the models' own populations, with pumps, wearables, laboratory and staff.

In come models, a seed and a start. Out go the events that such a ward would send, faults included, and the truth about
its patients.
"""
