"""Modes of patients' effects: how they are found, and what curvatures there come to.

In come looks at minus log posteriors. Out go modes, and inverses, factors and determinants of curvatures.
"""
