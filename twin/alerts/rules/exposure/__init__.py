"""Rules about exposure, held against the target windows of the model.

In come snapshots with exposures and the probability that they end outside their window. The windows have their sources
in the model file. Out go findings about each target, worded alike for both sides.
"""
