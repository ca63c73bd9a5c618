"""What of a record does not count until more is known: facts far from the rest, and those that are asked about.

In come facts and the words of devices, in any order. Out go the stretches and the facts that are held now. Nothing is
lost: what is held counts as soon as others bear it out, or a person releases it.
"""
