"""What the record of a twin that waits for its next event keeps as bytes, until somebody asks for it.

In come facts and ids as they were told. Out go the same; nothing here decides what counts.
"""
