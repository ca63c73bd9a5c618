"""Pages of trials: of alerts, of doses, and of studies of virtual patients.

In come the figures that a trial found. Out goes one HTML file each, which asks nothing of anyone.
"""
