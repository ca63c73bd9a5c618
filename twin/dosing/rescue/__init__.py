"""After methotrexate: will its level be above a line of the consensus, and what published rules say of rescue.

In comes what a twin believes at one instant. Out go probabilities and rules in words, each with its source.
"""
