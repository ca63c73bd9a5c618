"""Objectives beside conditional estimation: Laplace's, which weighs any value, and the first-order one.

In come a cohort and a vector. Out goes an evaluation like that of conditional estimation: Laplace's from the likelihood
of every value and differences of it alone, the first-order one from the model's slopes at the typical patient.
"""
