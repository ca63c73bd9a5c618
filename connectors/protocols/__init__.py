"""What hospitals and wearables speak: one room for each protocol.

In come bytes of a message as they were received, and the profile of their source. Out go facts, what is refused and
what no twin reads, and the acknowledgement where the protocol has one; nothing here waits, sends or remembers.
"""
