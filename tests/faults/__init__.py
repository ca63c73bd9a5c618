"""Faults that a running system must survive, and what must hold after each of them.

`ground` runs a ward on brokers and workers of its own; `kinds` has the faults, a function each; `verdict` says what
differs from twins that were told everything in order and without any stream; `soak` runs all of them for as long as
one likes and writes a report.
"""
