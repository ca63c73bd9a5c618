"""The running system: worker, batch runs, benchmarks and the command line.

In come events from Kafka or files. Out go outputs on Kafka or in files; nothing here knows the equations.
"""
