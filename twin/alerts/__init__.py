"""Conditions that call for attention, and the life of an alert.

In comes a snapshot of what the twin knows at one moment. Out go findings of the rules, and transitions of alerts that
are raised, updated, cleared and withdrawn without flapping.
"""
