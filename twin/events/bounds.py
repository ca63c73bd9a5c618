"""What the fields of an output may hold, so that whoever reads one need not ask again.

An output is read by sinks, dashboards and pages, and not only a twin can write to its topic. Names become tags of a
database, parts of its queries and words on a page: they hold letters, digits and a few signs. Numbers are finite and
of the size that they can have.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

LONGEST_TEXT = 4_000
"""Characters of a text for people; what is longer is cut."""

MOST_DAYS = 36_525
"""Days ahead: a century."""

_ROUNDING = 1e-9
"""Weights sum to one within this."""


def _within_rounding(value: object) -> object:
    if isinstance(value, float) and -_ROUNDING < value < 1.0 + _ROUNDING:
        return min(max(value, 0.0), 1.0)
    return value


def _cut(value: object) -> object:
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return value[: LONGEST_TEXT - 2] + " …"
    return value


MODEL_TAG = r"^[A-Za-z0-9][A-Za-z0-9._,-]{0,255}$"

Tag = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="name: letters, digits, '.', '_', '-'")
]
ModelTag = Annotated[
    str,
    Field(pattern=MODEL_TAG, description="id of a model, or of rival ones, 'A,B,C'"),
]
UnitCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9%*/.^'()\[\]{}_#:+~-]{1,64}$", description="UCUM unit")]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Probability = Annotated[float, BeforeValidator(_within_rounding), Field(ge=0, le=1)]
Share = Probability
"""A weight among weights that sum to one."""
Whole = Annotated[int, Field(ge=0, lt=2**53)]
"""A count, a revision, an offset: what every reader can hold."""
Hours = Annotated[float, Field(ge=-1e7, le=1e7)]
Size = Annotated[float, Field(ge=0)]
MOST_BRANCHES = 8
"""What-ifs of one request: each is solved like a forecast."""
BranchWords = Annotated[str, Field(min_length=1, max_length=200)]
"""A what-if in words, as ``delay docetaxel 7 d``."""
Text = Annotated[str, BeforeValidator(_cut), Field(max_length=LONGEST_TEXT)]
