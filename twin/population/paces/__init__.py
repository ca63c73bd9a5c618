"""How finely each patient of a fit is stepped.

In come a patient's way through time and people of the population; out goes the length of the steps from mark to mark.
"""
