"""Kernels as a person would write them, for one model each.

In come the arguments and steps of the generated kernels. Out goes what those give, for `streams.bench.kernel` to hold
the one against the other.
"""
