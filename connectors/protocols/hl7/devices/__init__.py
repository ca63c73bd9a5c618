"""What pumps and monitors say in HL7 v2, by the profiles of IHE (PCD-01, 03, 04 and 10).

In come messages, each observation at its place in its device. Out go readings, deliveries, counters, alarms and plans
as facts, and what of it cannot be used.
"""
