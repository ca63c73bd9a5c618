"""Objectives beside conditional estimation: Laplace's, which weighs any value, the first-order one, and that of sites.

In come a cohort and a vector. Out goes an evaluation like that of conditional estimation: Laplace's from the likelihood
of every value and differences of it alone, the first-order one from the model's slopes at the typical patient, and that
of sites from the joint effects of each site and its patients.
"""
