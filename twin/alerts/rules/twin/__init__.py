"""Rules about the twin itself: whether what it says can be relied on.

In come snapshots with the evidence against the model. No patient is harmed by it at once. Out go findings about the
model.
"""
