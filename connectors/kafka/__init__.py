"""Kafka: topics, clients and the way in.

In come settings and typed events. Out go topics as they must be, clients that say plainly why a broker cannot be used,
and events that the broker confirmed.
"""
