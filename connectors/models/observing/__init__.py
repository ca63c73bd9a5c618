"""What a source observes: its formula as a prediction with a scatter, as grades or as an event."""
