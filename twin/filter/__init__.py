"""Bayes' rule for one patient: the belief, and how a datum moves it.

In come a timeline's observations, one after the other. Out go weighted particles that stand for the exact posterior,
what was expected of each value before it was seen, and the posterior mode.
"""
