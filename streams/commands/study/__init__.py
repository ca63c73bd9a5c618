"""Commands that need no server: models, and data sets of recorded or simulated patients.

In come model files and records. Out go cards, tables and pages in files.
"""
