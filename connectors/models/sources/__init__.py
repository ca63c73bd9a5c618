"""Languages that models are published in, one module each, and what those need.

In comes the text of a model. Out goes a `connectors.models.source.Source`, the form that all languages share, or an
error that names file and line. What a source says and no model file can is noted on the way.
"""
