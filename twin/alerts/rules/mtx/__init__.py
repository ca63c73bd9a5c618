"""Rules about high-dose methotrexate, whose clearance may fail.

In come snapshots with its level at the hours of the consensus, as foreseen, and with creatinine. The lines are those of
Ramsey 2018. Out go findings about the drug.
"""
