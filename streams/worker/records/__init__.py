"""Input records as the worker knows them.

In come events with the place where they stood in Kafka and the bytes that they came as. Out go bursts of late ones that
are told together, and dead letters of those that cannot be used, which can be mended and sent again.
"""
