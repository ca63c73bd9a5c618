"""What the record of a twin that waits for its next event keeps as bytes, until somebody asks for it.

In go facts and ids as they were told; out come the same. Nothing here decides what counts.
"""
