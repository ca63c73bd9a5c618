"""Generated functions through Numba: compiled in less time, and kept under a seal.

In comes a generated module and its source. Out go its functions, of which each is compiled when it is first called, or
taken from the cache where it was compiled before from this very source.
"""
