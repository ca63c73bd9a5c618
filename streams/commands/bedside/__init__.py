"""Commands for the people who look at alerts: what stands, what they do about it, and the book that is kept of it.

In come ids of alerts and a person's word. Out go lists and events.
"""
