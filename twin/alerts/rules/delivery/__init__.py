"""Rules about what is delivered, beside what was ordered.

In come snapshots with the delivery of each drug. Out go findings about each drug. Deliveries are held against amounts,
not against the minute: a ward is rarely on it.
"""
