"""Whose records those of a data file are, and in what order they count.

In come records as they stand on the lines of a file. Out go the patient and the place of each among that patient's
records, or the reason why it has none.
"""
