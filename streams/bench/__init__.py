"""What is measured of speed and size.

In come models of the library and made patients. Out go the figures of `dosetwin bench`, each beside what it is held
against in the same run.
"""
