"""What a twin that waits for its next event keeps as bytes, until somebody asks for it.

In go values that are made once and never changed; out come the same, to the last bit.
"""
