"""Many patients: simulated, followed, and held against what was measured.

In come models, designs and records. Out go calibrations, diagnostics of fit, predictive checks and what a model
predicts of its population.
"""
