"""The inbox: every alert of the ward in one list, and why each of them stands.

In come what the board knows of a patient, and of which twins the workers say that they stand still. Out go the
explanation of an alert, from what was published before and after the datum that decided it. Nothing is folded here.
"""
