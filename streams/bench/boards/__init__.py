"""How long the queries of the boards take on a month of a ward.

In comes an InfluxDB, which gets a bucket of its own for it. Out go the figures of every query that the boards send.
"""
