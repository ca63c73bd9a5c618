"""A population without a form: points of the random effects, and the share of patients at each.

In come a cohort and its model's numbers; the errors and typical values stay as they are. Out go the points and weights
that make the data most likely, and how far from most likely they can be at most.
"""
