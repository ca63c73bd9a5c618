"""What devices, laboratories and people say: one file for each channel, every event class in it a kind.

In come the envelope and the channel. Out go event classes with their fields, checks and examples, found by
`twin.events.vocabulary`.
"""
