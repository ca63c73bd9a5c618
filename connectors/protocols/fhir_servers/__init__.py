"""FHIR servers over HTTP, as a client: asked until they answer, and let in by a token of SMART Backend Services.

In come an address, credentials and what is to be asked. Out go answers that are bounded in size, from that address and
from no other.
"""
