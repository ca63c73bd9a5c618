"""FHIR R4 (hl7.org/fhir/R4): resources and bundles of them, in JSON.

In come the bytes of a resource or bundle and the profile of their server. Out go the facts of each resource with the
place where they stand; what a resource refers to is looked for in its bundle and in itself, and never fetched.
"""
