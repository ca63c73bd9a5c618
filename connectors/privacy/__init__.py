"""What protects patients in what is stored: a key for each, kept apart from the data, and proofs of its destruction.

In come the operator's master key and a folder of keys. Out go bytes that only their patient's key opens, and reports
that say, signed, that a key is gone. What is done with either is for those who store and erase.
"""
