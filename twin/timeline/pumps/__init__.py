"""What one pump channel delivered, as it told it.

In come the words of a channel, the readings of its cumulative counter and the lack of either. Out go step functions of
the rate whose amounts are what was counted, and the hypotheses about what neither words nor counter tell.
"""
