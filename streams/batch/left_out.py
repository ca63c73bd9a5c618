"""What could not be used of a patient's record, in the words of one cell of a table."""

from __future__ import annotations

from collections.abc import Sequence

from streams.batch.cases import Problem

LISTED = 6
"""Places of one kind that are named."""


def in_words(problems: Sequence[Problem]) -> str:
    """Each kind of thing with its places, e.g. ``2 values (lines 3, 9), dose (line 4)``; empty for none.

    Files are named where there is more than one.
    """
    files = {problem.place.file for problem in problems}
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.what or "event", []).append(problem)
    return ", ".join(_kind(what, which, several=len(files) > 1) for what, which in kinds.items())


def _kind(what: str, which: Sequence[Problem], *, several: bool) -> str:
    count = f"{len(which)} times " if len(which) > 1 else ""
    places: dict[str, list[str]] = {}
    for problem in which[:LISTED]:
        place = problem.place
        counted = f"{place.file} {place.counted}" if several else place.counted
        if place.line is not None:
            places.setdefault(counted, []).append(str(place.line))
    named = "; ".join(f"{counted} {', '.join(lines)}" for counted, lines in places.items())
    more = f" and {len(which) - LISTED} more" if len(which) > LISTED else ""
    return f"{count}{what}" + (f" ({named}{more})" if named else "")
