"""Live ways in: what hospitals and wearables send, taken as it comes and acknowledged when Kafka has it.

In come messages over MLLP, HTTP and MQTT, each source by its profile. Out go events on the input topics, dead letters
without anything that names a patient, and the acknowledgements; a message is never acknowledged before it is safe.
"""
