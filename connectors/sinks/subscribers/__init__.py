"""Those who are told of alerts, one file each.

In come the messages that the shared settings let through (`connectors.sinks.telling`). Out go the words of one outside
system for each, under an id that a repeat has again.
"""
