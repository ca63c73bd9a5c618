"""Many patients at once: what they say of the population that they come from.

`theta` says what is estimated, `cohort` solves everybody's equations, `objective` is what a fit makes small.
"""
