"""How finely each patient of a fit is stepped.

In come a patient's way through time and some people of the population. Out go the step sizes from mark to mark.
"""
