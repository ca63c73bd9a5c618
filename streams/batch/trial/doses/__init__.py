"""Virtual patients treated once in every arm of a trial of doses, or watched up to the hour of a forecast.

In come a plan and a protocol. Out go what came of every course, and the probabilities that were stated.
"""
