"""What a person at a terminal sees while something runs.

In come counts of work done and log records. Out go a progress line and readable logs, on stderr.
"""
