"""Commands about this installation: is it sound, how fast is it, what does it describe and what has been added to it.

In comes what is installed. Out go findings, figures and generated documents.
"""
