"""Commands for fits that were made: how they agree with their data, and which model is better.

In come folders that ``dosetwin fit`` wrote. Out go pages and tables.
"""
