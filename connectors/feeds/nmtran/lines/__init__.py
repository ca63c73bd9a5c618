"""A data file's lines as records, before anybody asks what they mean.

In come lines of text, or a table, and the file's own names for data items. Out go records, whose cells are read by data
item: those that were asked for, each with the number of its line. What is no record is told with its line.
"""
