"""A twin as a figure: its outputs through time, and how they are drawn.

In come a belief and the record that it rests on. Out go the trajectory of every output, so far and ahead, and a figure
of it (matplotlib) in the house style.
"""
