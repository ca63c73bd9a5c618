"""Populations learnt from files of messages, and records folded again where the particles of a message do not reach."""
