"""Model files as text of other programs, one module each.

In comes a model. Out goes text for NONMEM or mrgsolve, with a list of what it does not carry. What such a language
cannot say at all is refused by name.
"""
