"""Twins that go on by another version of their model.

In come a twin's row and two versions. Out go a twin whose whole record was folded by the new one, and what its alerts
are now; what was said of the past stays as it was said.
"""
