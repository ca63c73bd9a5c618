"""Models that others wrote, carried over into model files, and model files as text of other programs.

In comes the text of a model in another program's language. Out goes a model file, unverified, with a list of what it
could not carry; or, the other way round, text for that program. One language a module, with one form shared by all.
"""
