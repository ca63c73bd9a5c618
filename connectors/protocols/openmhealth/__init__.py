"""Open mHealth and IEEE 1752.1: data points of wearables, in JSON.

In come the bytes of a data point, whose it is, and the profile of its source. Out go its readings as facts; what a
person wrote beside them is not read.
"""
