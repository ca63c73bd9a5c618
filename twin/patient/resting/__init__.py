"""What a twin that waits for its next event keeps as bytes, until somebody asks for it.

In come values that are made once and never changed. Out go the same, to the last bit.
"""
