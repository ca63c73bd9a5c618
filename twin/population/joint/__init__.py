"""Values of several outputs measured at one instant, whose residuals correlate.

In come the values of a cohort and the correlations that the errors of its outputs have. Out goes what they add to each
objective beside what values add alone, and the numbers that a fit moves them by.
"""
