"""What joins the twins to the world: one room for each outside system.

In come bytes of feeds and what the twins say. Out go typed events, and records in outside systems; nothing here knows
how a twin thinks.
"""
