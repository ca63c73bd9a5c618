"""The Faust worker that keeps a twin for every patient.

In come events from Kafka in any order of arrival. Out go what the twins say, state rows from which any worker goes on
to the same bytes, and dead letters with their reason.
"""
