"""What fitting a population costs.

In come simulated patients of a few problems that others have timed: levels by closed forms, rich and sparse, and two
sets of stepped equations. Out goes how long the fits of `streams.batch.population` take, beside the same objective as a
person would write it with SciPy.
"""
