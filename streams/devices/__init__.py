"""Devices that do not know their patient, on Kafka: what they say waits until somebody is bound to them.

In come words of devices and their bindings, keyed by device. Out go events of patients on the input topics, dead
letters of what nobody claimed, and rows of all that may still change. Killed anywhere, it tells the same again under
the same ids.
"""
