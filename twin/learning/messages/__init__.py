"""What a twin says of itself so that its population can be learnt, and what of a model is learnt at all.

In comes what a twin believes of its patient. Out goes a message: particles, weights, the version that they were weighed
under and what it says of coefficients and residual errors, without a dose, a date or a value.
"""
