"""What a worker remembers of each patient, as bytes.

A worker that starts anew goes on from rows: one for each patient, in a compacted topic. In come a patient's state, or a
row that was read. Out go the row, or the state with which the patient goes on or is sealed.
"""
