"""A model file, read and checked.

In comes the text of a TOML file, of the library or a user's own. Out goes a `twin.model.spec.Model` in which names,
formulas, dimensions, sources and Omega hold, or every fault with its line, its column and its mend.
"""
