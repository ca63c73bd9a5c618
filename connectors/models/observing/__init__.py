"""What a source observes: a prediction with its scatter, grades, or an event.

In comes a formula of residuals and of data items. Out go outputs, each with the law of its error or the probabilities
of its categories. Laws are found by trying formulas out on numbers, not by how they are written.
"""
