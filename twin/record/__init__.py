"""The record of one patient: every event that was received, as it stands now.

In come events in any order, with corrections and retractions. Out go the facts that hold, in event time, or the reason
why an event cannot be used.
"""
