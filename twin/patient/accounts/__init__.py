"""One belief by several accounts of what was delivered, while it is not known which of them is true.

In come the hypotheses about a pump that fell silent, or whose counter disagrees with it, or about doses that nobody saw
taken, and where the particles stand by each. Out go the share that the data give each of them, and one larger cloud
that is their mixture.
"""
