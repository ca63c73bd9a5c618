"""Why an alert stands: a record folded again without what decided it, and what would let it not stand.

In come an alert with its evidence, and the events of its patient. Out go what was believed before and after the datum
that decided, and how large that would have had to be. Nothing here is folded into a twin.
"""
