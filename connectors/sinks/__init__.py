"""Ways out: what the twins say, written where others look.

In come topics of Kafka. Out go records in outside systems, each written durably before it is acknowledged, a repeat
overwriting itself.
"""
