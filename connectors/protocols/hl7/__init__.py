"""HL7 v2: laboratories' results, and pumps and monitors in the profiles of IHE. It is read, and not validated.

In come frames of MLLP and the profile of their source. Out go the facts of each message with the place where they
stand, and the acknowledgement that the sender asked for.
"""
