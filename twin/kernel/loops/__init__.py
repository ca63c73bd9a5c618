"""The inner loops: how particles are carried through a schedule of steps.

In comes a model's structure as source. Out goes the source of its ``advance``: by steps that are the same for all, by
each particle's own, or by long steps where equations are stiff.
"""
