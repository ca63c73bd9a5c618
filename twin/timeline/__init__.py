"""From facts to what the equations need.

In comes the record of a patient. Out goes a timeline: rates as delivered, doses, covariates as they stood, stretches of
constant random effects and observations, and from when on two timelines differ.
"""
