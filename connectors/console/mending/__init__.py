"""What engineers see to: events that were refused, events that are held, sources, workers and filters.

In come dead letters, state rows as the caller reads them, and what the console heard. Out go tables of them, and the
bytes of a dead letter once more on their topic, as they came or mended.
"""
