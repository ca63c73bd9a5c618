"""What a measured value says about particles, one file for each kind of output.

In come a measured value and what the kernel computed of its output. Out go likelihoods, levels of the distribution
function, simulated values, Fisher information and checks of what may be reported at all.
"""
