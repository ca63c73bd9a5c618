"""Functions through Numba: compiled in less time, by one process at a time, and kept; generated ones under a seal.

In comes a generated module and its source, or a function written by hand. Out go its functions, of which each is
compiled when it is first called, or taken from the cache where it was compiled before from this very source.
"""
