"""The audit trail: what was said of alerts, and who looked at patients, acted or was refused; no change goes unseen.

In come the records of the alerts, and what the console's door has to tell of each request. Out goes a topic of
accesses, and of both topics a chain in which nothing can be changed, taken out or put elsewhere without being found.
"""
