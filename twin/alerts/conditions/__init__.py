"""What rules have in common: conditions that several of them judge and word alike.

A course beside its plan, an exposure beside its window, a toxicity now and ahead. In come views of a snapshot. Out go
findings, and what they are made of.
"""
