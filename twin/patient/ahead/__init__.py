"""What lies ahead of a patient, of particles that were solved into the future.

In come the outputs of particles along a forecast, and the model's toxicities. Out go the worst value of each, its day
and its probability: as they are published, and as rules see them.
"""
