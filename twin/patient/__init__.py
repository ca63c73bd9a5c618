"""The digital twin of one patient: a fold over the record, and what is read of its belief.

In come events in any order of arrival. Out go estimates, forecasts, predictions and alerts, and the state as bytes from
which the same twin goes on.
"""
