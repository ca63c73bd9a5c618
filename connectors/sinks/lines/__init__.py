"""What a kind of event becomes in the time-series database: one file each, found by the kind that is its name.

In comes an event, with where and when its record arrived. Out go lines for `connectors.sinks.line_protocol`, in a fixed
order; a kind without a file here is not drawn.
"""
