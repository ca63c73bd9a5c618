"""Rules about the kidney, by which drugs leave.

In come snapshots with creatinine as it is reported. Its limits are those of KDIGO 2012. Out go findings about the
patient.
"""
