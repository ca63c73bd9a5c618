"""Alerts as Kafka has them: how each stands, and what somebody does about one.

In come the records of the topic of alerts. Out go the newest word on each alert, the record behind it, and actions on
their way to the twin.
"""
