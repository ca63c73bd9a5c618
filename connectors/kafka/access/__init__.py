"""Who we are to Kafka, what each of us may do there, and why a broker lets somebody not in.

In come settings and the address of a broker. Out go options for clients, users with their rights, and refusals in words
with the mend. A process is one user, whichever of its parts asks, but for what the console does for engineers.
"""
