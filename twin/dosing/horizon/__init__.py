"""The courses that are left: which dose now, when those that follow may still be chosen by what will be measured.

In comes what a twin believes, a plan of several doses and a protocol. Out goes a dose for now, and for later ones what
they will probably be and by which sample they will be told.
"""
