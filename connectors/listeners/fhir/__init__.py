"""FHIR R4 servers, asked: what is new is read from their histories, and a notification only wakes the asking.

In come the address of a server, the profile of the source and its memory. Out go bundles of one version with what it
refers to, through the one way in; what has been read is noted when Kafka has it, and never before.
"""
