"""The faults, a function each: what is done to a ground while its events come. `FAULTS` has them all by name.

A new one is a function with `fault` above it, in the module of what fails. It is given a `Ground`, chance and how often
to do what it does; what must hold afterwards is for `Ground.finish`.
"""

from tests.faults.kinds import brokers, database, inputs, machine, patients, workers
from tests.faults.kinds.fault import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "brokers", "database", "inputs", "machine", "patients", "workers"]
