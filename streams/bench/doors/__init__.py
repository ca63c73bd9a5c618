"""What the live ways in cost: HL7 v2 over MLLP, and our own events over HTTP, as real senders meet them.

In come a Kafka and how much is to be sent. Out go figures of a listener that runs as a process of its own.
"""
