"""The trial of the twin on all cores: virtual patients of a simulated ward, told to the same twins as any other.

In come a model, how the true population departs from it, faults and a seed. Out go what the alerts and probabilities
were worth, as figures, JSON and a page.
"""
