"""Alerts as Kafka has them: how each stands, and the book that is kept of all that was said of them.

In come the records of the topic of alerts. Out go the newest word on each alert, and a chain of records of which none
can be changed, taken out or put elsewhere without being found out.
"""
