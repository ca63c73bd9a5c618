"""Whose turn it is, so that no patient waits for another's work.

A patient whose history is folded again and again must cost the others nothing. In come costly work and records that
wait. Out go slices of work in turn, and which partitions have to rest.
"""
