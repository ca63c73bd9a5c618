"""Ways in: files, formats and a simulated ward, one file or folder each.

In come bytes of an outside source. Out go typed events, and lines that cannot be read with the reason why.
"""
