"""A population learnt from files, to the end.

In come messages of twins and records of their patients. Out go what was learnt, with records folded again where the
particles of a message do not reach, and the state of the version that is made of it.
"""
