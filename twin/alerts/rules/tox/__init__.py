"""Rules about toxicities that a model file names: counts that fall, what rises, and what lasts.

In come snapshots with every toxicity of the model, now and ahead. Each toxicity is watched by one rule. Out go findings
about the output of each.
"""
