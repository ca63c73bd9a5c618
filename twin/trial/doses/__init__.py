"""Ways of choosing doses, on the same virtual patients: what each chooses, and what came of it.

In come what is known of a patient before a dose and the protocol. Out go the doses by each way (an arm), and over all
patients the share in the target, grade 4 and dose intensity of every cycle.
"""
