"""How a fitted population agrees with the data that it was fitted to.

In come a cohort and the numbers found. Out go residuals, prediction errors, predictive checks, effects beside
covariates, and which patients weigh most: each a pure function of these and of a seed.
"""
