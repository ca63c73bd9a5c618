"""What one pump channel delivered, as it told it, and what a device tells of doses that nobody saw taken.

In come the words of a channel, the readings of its cumulative counter and the lack of either. Out go step functions of
the rate whose amounts are what was counted, and the hypotheses about what no word, counter or cap tells.
"""
