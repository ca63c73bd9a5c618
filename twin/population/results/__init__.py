"""What a fit found, beside the numbers themselves.

In come a cohort, an objective and where it is least. Out go how certain the numbers are, how far each patient shrinks
to the population, and the fitted model as a file.
"""
