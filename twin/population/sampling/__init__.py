"""Fits by chains: effects of every patient are drawn from their posterior, and the population moves with the draws.

In come a cohort and draws that walk (`chains`), of a mixture with the class of each patient (`classes`), where sites
differ with theirs (`site_effects`). Out go the numbers at which the likelihood is highest (`saem`), with what makes a
population of its draws (`maximised`), or draws of the numbers themselves (`gibbs`, with `blocks` of Omega and what a
`posterior` says).
"""
