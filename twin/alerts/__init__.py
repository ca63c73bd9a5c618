"""Conditions that call for attention, and the life of an alert.

In comes a snapshot of what the twin knows at one moment. Out go findings of the rules, and transitions of alerts, from
their start to their end, without flapping.
"""
