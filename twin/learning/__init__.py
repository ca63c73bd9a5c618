"""Priors that learn: a population estimated from what twins say of themselves, and judged before it is used.

Built on `twin.filter` and `twin.study`: a fold of one patient, and patients that are simulated.
"""
