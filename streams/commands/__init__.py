"""The commands of ``dosetwin``, one file each.

In come arguments. Out go exit codes, results on stdout and all else on stderr; heavy imports stay inside the functions.
"""
