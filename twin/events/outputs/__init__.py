"""What the twin says, and what it could not use: one file for each kind.

In come the envelope and the channel. Out go event classes with their fields, their example and the file they have in a
replay, found by `twin.events.vocabulary`.
"""
