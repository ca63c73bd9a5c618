"""What a reader of the ward has of their own: a language, a time zone, units, and a patient's figures as a file.

In come what was chosen and what the board shows. Out go preferences with the lines by which values convert, and CSV.
"""
