"""Readings of the vital signs that a model's outputs are observed by, kept so that weeks of them stay small.

In come readings of one channel, in any order, late, twice or corrected. Out go the windows of the clock with what is
kept of each: a bounded sample that is the same whatever came first, and its summary. The ids of what devices said last
are packed for a twin at rest.
"""
