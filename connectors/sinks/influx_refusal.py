"""What InfluxDB says of the lines that it refuses, and which of them it means.

A line that cannot be read is named word for word, each that there is, and nothing is written (HTTP 400). A point that
does not fit is dropped and the others are written (HTTP 422): the answer counts those dropped, and of fields whose type
is another it names the first with its measurement.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from connectors.sinks.writer import BadItem

_UNREADABLE = "unable to parse '"
_DROPPED = re.compile(r"partial write: .* dropped=(\d+)")
_TOO_OLD = "points outside retention policy"
_CONFLICT = re.compile(r'on measurement "(.*?)" is type')


def all_but_old_were_written(answer: str) -> bool:
    """Whether points were dropped only for being older than the bucket keeps, as if written and deleted since.

    >>> all_but_old_were_written("dropped 3 points outside retention policy of duration 24h0m0s dropped=3")
    True
    """
    return _TOO_OLD in answer and _CONFLICT.search(answer) is None


def measurement(line: str) -> str:
    """What a line is a point of; ours have no letter in it that the protocol would escape."""
    return line.partition(",")[0].partition(" ")[0]


def refusal(answer: str, lines: Sequence[str]) -> BadItem:
    """What an answer about ``lines`` says of each: which are refused for certain, or among which they are."""
    if unreadable := _unreadable(answer, lines):
        return BadItem(answer, refused=unreadable)
    dropped = _DROPPED.search(answer)
    if dropped and int(dropped[1]) == len(lines):
        return BadItem(answer, refused=dict.fromkeys(range(len(lines)), answer))
    conflict = _CONFLICT.search(answer)
    name = conflict[1] if conflict else None
    return BadItem(answer, among=[number for number, line in enumerate(lines) if measurement(line) == name])


def _unreadable(answer: str, lines: Sequence[str]) -> dict[int, str]:
    """Why a line cannot be read, by its place; of a line that stands there twice, both."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(lines):
        places[line].append(number)
    found: dict[int, str] = {}
    for said in answer.splitlines():
        rest = said.removeprefix(_UNREADABLE)
        ends = [end.start() for end in re.finditer("': ", rest)] if rest != said else []
        for end in ends:  # a line may have a quote of its own
            found |= dict.fromkeys(places.get(rest[:end], ()), said)
    return found
