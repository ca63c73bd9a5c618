"""Grades of the Common Terminology Criteria for Adverse Events (CTCAE) that are limits of a number, by version.

Version 5.0 (NCI, 27 November 2017) and 6.0 (NCI, 22 July 2025, clean copy with the errata of 20 January 2026) differ in
counts and in blood pressure: neutrophils of 0.4 x 10^9/L are of grade 4 in the one and of grade 3 in the other. So a
grade means nothing without its version. Read of version 5.0: the table in the documents and the SAS macros of
PharmaForest/ctcae5_grader; of 6.0: a copy of the official texts of fifty terms, in which leukocytes are not. A grade
that is not here was not read, and is not guessed.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Version = Literal["5.0", "6.0"]

VERSIONS: tuple[Version, ...] = get_args(Version)

Side = Literal["below", "above"]
"""On which side of its limit a value is toxic."""

CURRENT: Version = "5.0"
"""The version that model files are written in, and that holds where none is chosen."""


class Grade(NamedTuple):
    """From which limit on a value is of a grade; ``persisting_hours`` is how long it has to be so by the definition."""

    side: Side
    limit: float
    unit: str
    persisting_hours: float = 0.0


_COUNT, _PRESSURE = "10*9/L", "mm[Hg]"

_GRADES: dict[Version, dict[str, dict[int, Grade]]] = {
    "5.0": {
        "neutrophils": {
            2: Grade("below", 1.5, _COUNT),
            3: Grade("below", 1.0, _COUNT),
            4: Grade("below", 0.5, _COUNT),
        },
        "leukocytes": {
            2: Grade("below", 3.0, _COUNT),
            3: Grade("below", 2.0, _COUNT),
            4: Grade("below", 1.0, _COUNT),
        },
        "platelets": {
            2: Grade("below", 75.0, _COUNT),
            3: Grade("below", 50.0, _COUNT),
            4: Grade("below", 25.0, _COUNT),
        },
        "systolic_pressure": {2: Grade("above", 140.0, _PRESSURE), 3: Grade("above", 160.0, _PRESSURE)},
        "diastolic_pressure": {2: Grade("above", 90.0, _PRESSURE), 3: Grade("above", 100.0, _PRESSURE)},
        "qtc": {2: Grade("above", 480.0, "ms"), 3: Grade("above", 500.0, "ms")},
        "qtc_change": {3: Grade("above", 60.0, "ms")},
    },
    "6.0": {
        "neutrophils": {
            1: Grade("below", 1.5, _COUNT),
            2: Grade("below", 1.0, _COUNT),
            3: Grade("below", 0.5, _COUNT),
            4: Grade("below", 0.1, _COUNT),
        },
        "platelets": {
            2: Grade("below", 75.0, _COUNT),
            3: Grade("below", 50.0, _COUNT),
            4: Grade("below", 10.0, _COUNT),
        },
        "systolic_pressure": {
            2: Grade("above", 140.0, _PRESSURE),
            3: Grade("above", 160.0, _PRESSURE, 1.0),
            4: Grade("above", 180.0, _PRESSURE, 1.0),
        },
        "diastolic_pressure": {
            2: Grade("above", 90.0, _PRESSURE),
            3: Grade("above", 100.0, _PRESSURE, 1.0),
            4: Grade("above", 110.0, _PRESSURE, 1.0),
        },
        "qtc": {2: Grade("above", 480.0, "ms"), 3: Grade("above", 500.0, "ms")},
        "qtc_change": {3: Grade("above", 60.0, "ms")},
    },
}

CRITERIA = tuple(sorted({name for grades in _GRADES.values() for name in grades}))
"""What is graded by a number: names that a model file may give as ``criterion``."""


def graded(criterion: str, grade: int, version: Version) -> Grade | None:
    """The limit of a grade by a version; None where it was not read, or is not a number.

    >>> graded("neutrophils", 4, "5.0").limit, graded("neutrophils", 4, "6.0").limit
    (0.5, 0.1)
    """
    return _GRADES[version].get(criterion, {}).get(grade)
