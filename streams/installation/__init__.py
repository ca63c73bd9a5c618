"""A ward's own folder: settings, thresholds, sources, containers and dashboards, written once and then the ward's.

In comes what a ward is called and has (`Ward`). Out go the files of a new folder, with secrets made for it alone.
"""
