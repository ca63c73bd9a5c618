"""Sinks: each carries the twins' outputs to one outside system, as its own consumer group."""
