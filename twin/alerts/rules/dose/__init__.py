"""Rules about doses to come, held against what is advised.

In come snapshots with the advice that the newest plan or level of each drug gave, by the protocols of a ward. Out go
findings about each drug whose plan says otherwise.
"""
