"""How well a ward learns its population.

In comes a published model, whose population is made wrong. Out goes, quarter by quarter, how well the next value was
foreseen, and how far what was learnt is from maximum likelihood on the same records.
"""
