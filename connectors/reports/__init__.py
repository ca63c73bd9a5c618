"""Pages for people: model cards, calibrations, examinations.

In come results of `twin.study` and models. Out go HTML pages and drawings that need nothing from elsewhere.
"""
