"""Priors that learn: a population estimated from what twins say of themselves, and judged before it is used.

In come messages: particles, weights and the population that they were weighed under. Out go a population with standard
errors, sums that sites may share, the verdict of later patients, and the model file of a version.
"""
