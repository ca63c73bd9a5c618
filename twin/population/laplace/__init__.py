"""The objective of Laplace's method, which weighs any value: limits, categories, counts, events, heavy tails.

In come a cohort and a vector. Out goes an evaluation like that of conditional estimation, from the likelihood of every
value and differences of it alone.
"""
