"""The likelihood itself, by importance sampling, and its maximum.

In come a cohort, and draws of each patient's effects around what is believed of them. Out go the likelihood with the
error that the draws make, its score, and the numbers of the population at which it is highest.
"""
