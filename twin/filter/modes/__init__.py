"""Where a posterior is highest: the mode that people know, and every other that it may have.

In come the data of one patient, as a function of the random effects, and the prior. Out go the deepest mode with its
covariance, and for a cloud that is to be drawn anew the peaks that it should reach, with what each weighs.
"""
