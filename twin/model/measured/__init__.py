"""How an output of a model is measured: with which error, and by which vital sign.

In come the numbers of an output's section in a model file. Out go immutable values: its residual error, and the channel
whose readings observe it. What they mean for a measured value is in `twin.observation`.
"""
