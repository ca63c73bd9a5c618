"""Advice as Kafka has it: a question sent, and the answer of whichever worker has the patient.

In come requests of people. Out go the advice that names them, or the dead letter that says why there is none.
"""
