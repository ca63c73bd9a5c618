"""Noncompartmental analyses of a data set.

In come the rows of a file in the style of NM-TRAN, which no model gives a meaning, and how doses were given. Out go
tables: a row a dose, a row a parameter, or one row for all patients together.
"""
