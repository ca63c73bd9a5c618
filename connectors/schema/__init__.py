"""The event vocabulary for other systems.

In come the events of `twin.events` and the topics. Out go a JSON Schema, an AsyncAPI document and an example of every
event, generated and never edited.
"""
