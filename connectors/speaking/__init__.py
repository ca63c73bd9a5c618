"""Events said in the protocols that hospitals speak, through real senders: so that every way in can be tried and timed.

In come events of a simulated ward. Out go messages of HL7 v2, FHIR and HTTP, each acknowledged by whoever listens, and
the profile, patients and tokens with which the listener understands them.
"""
