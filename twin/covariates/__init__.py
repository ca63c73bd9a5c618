"""Which characteristics of patients explain how they differ, and by how much.

In come a model, a cohort and pairs of parameter and covariate. Out go relations that the likelihood bears out, as
effects in a model file (`stepwise`), all of them at once, beside the random effects (`full_random`), pairs that boosted
trees see in what the data tell of each patient (`trees`), and a `network` that is learnt within the likelihood
(`learning`), judged by patients left out (`held_out`) and written into formulas (`learnt`).
"""
