"""What a pharmacometric model is, once it has been read.

In come the parts that a model file states, table by table: parameters, states, formulas, outputs, errors. Out go
immutable values (`spec.Model`) and what follows from them alone: which states are linear, what the typical patient is.
"""
