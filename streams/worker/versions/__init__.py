"""Versions of models that were released while twins run, and how the twins come to go by them.

In come releases in the folder of clinical mode. Out go commands on the topic of commands, one patient at a time, and
twins that were folded anew where a command stands in the log.
"""
