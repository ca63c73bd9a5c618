"""What is unknown of every patient of a fit, beside what is unknown of the population.

In come a model, what is free, and the patients with their occasions. Out goes which column of a patient's row is which
effect, and how a row moves the patient's parameters. Nothing is solved and nothing is weighed here.
"""
