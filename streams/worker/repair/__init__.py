"""The way back of a patient whose twin moves no more.

A row that cannot be trusted seals its patient, and what the input topics hold makes the row anew. In come rows that
count, what the inputs hold and what workers said last. Out go what is wrong with each, which way back applies, and rows
that a worker goes on from.
"""
