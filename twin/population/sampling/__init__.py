"""Fits by chains: effects of every patient are drawn from their posterior, and the population moves with the draws.

In come a cohort and draws that walk (`chains`). Out go the numbers at which the likelihood is highest (`saem`), with
what makes a population of its draws (`maximised`).
"""
