"""Hostile inputs, made by the thousand: what comes from somebody else must never run, hang or end in a traceback.

In come sound files of ours. Out go files that are wrong in many ways, and what became of reading them. A
small number of them is part of the test suite, the rest is for whoever changes how files are read.
"""
