"""NM-TRAN style data files, as NONMEM reads them.

In come the records of a CSV file and a model. Out go typed events: doses, levels and counts, covariates, resets, or the
line and the reason why a record cannot be used.
"""
