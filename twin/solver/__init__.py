"""Particles through time.

In come individual parameters of many particles, a kernel and a timeline. Out go states and outputs at the moments asked
for: the linear block solved exactly in its eigenbasis, the rest by steps that never cross a discontinuity.
"""
