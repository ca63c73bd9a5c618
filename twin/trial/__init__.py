"""A trial of the twin on simulated patients: who they really are, and what its alerts and probabilities were worth.

In come true courses and what was said of them, each with the moment it was heard. Out go sensitivity, lead, false
alerts and reliability, beside plain threshold rules on the same record.
"""
