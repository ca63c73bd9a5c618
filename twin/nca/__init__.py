"""Noncompartmental analysis: what a course of concentrations says without any model.

In come times and concentrations after a dose, of one patient, of many with a few each, or of urine. Out go areas,
the terminal slope, clearance, volumes and mean residence times by the rules of the field, each with its unit.
"""
