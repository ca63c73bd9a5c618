"""Effects that drift, made into what a fit knows.

In comes a model with a drift. Out goes one whose occasions are the drift's steps, by which every method takes it. What
is told apart, that a step stays and how it counts, is asked here.
"""
