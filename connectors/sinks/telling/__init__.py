"""What every subscriber does with an alert before it tells it.

In come the records of the topic of alerts and the settings of a subscriber: whom and what it is about, when it may be
told, and how much at once. Out go messages to be sent, of which none is lost and none is told twice by one process.
"""
