"""What people and machines outside see of a running command, and how they stop it.

In come counts of work done, log records and meters. Out go a progress line and readable logs on stderr, a page of
metrics, and a signal as an event that whoever works looks at.
"""
