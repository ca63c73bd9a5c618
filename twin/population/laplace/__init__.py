"""Objectives beside conditional estimation: Laplace's, which weighs any value, the first-order one, and those of sites.

In come a cohort and a vector. Out goes an evaluation like that of conditional estimation: Laplace's from the likelihood
of every value and differences of it alone, the first-order one from the model's slopes at the typical patient. Where
sites differ each of them is of whole sites, by the joint effects of a site and its patients.
"""
