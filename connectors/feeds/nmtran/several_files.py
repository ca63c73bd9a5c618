"""Several data files at once: whether an id that stands in two of them is one patient is for their author to say.

Ids are often unique within a study only. So one id in two files is refused, unless it was said what it means: *join*,
the files are parts of one record and an id is one patient; *prefix*, each file has patients of its own, whose ids begin
with its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from connectors.feeds.nmtran.lines.chosen import Condition
from connectors.feeds.nmtran.lines.records import NmtranError
from connectors.feeds.nmtran.lines.text import lines_of
from connectors.feeds.nmtran.reader import NmtranEvents, read_joined, read_nmtran
from twin.model.spec import Model

SameIds = Literal["refuse", "join", "prefix"]
"""What is made of one id in two files."""

LISTED = 5
"""Ids that a refusal names."""


def same_ids(*, join: bool, prefix_ids: bool) -> SameIds:
    """What two switches say.

    Raises:
        NmtranError: both are on.
    """
    if join and prefix_ids:
        raise NmtranError("--join (one id is one patient) and --prefix-ids (it is two) exclude each other; keep one")
    return "join" if join else "prefix" if prefix_ids else "refuse"


def read_files(
    files: Sequence[Path],
    model: Model,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
    same: SameIds = "refuse",
    where: Sequence[Condition] = (),
) -> list[tuple[str, NmtranEvents]]:
    """What the files say, each by its name; joined ones are one. Arguments as of `connectors.feeds.nmtran.reader`.

    Raises:
        NmtranError: a file cannot be used, one stands twice, or one id is in two and nothing was said of it.
        OSError: a file cannot be read.
    """
    for file in files:
        if files.count(file) > 1:
            raise NmtranError(f"{file} is named twice; name it once")
    if same == "join" and len(files) > 1:
        whole = read_joined({file: lines_of(file) for file in files}, model, columns, output, where)
        return [(" and ".join(map(str, files)), whole)]
    prefixes = _prefixes(files) if same == "prefix" else {}
    readings = {
        file: read_nmtran(lines_of(file), model, columns, output, prefixes.get(file, ""), where) for file in files
    }
    _refuse_shared({file: frozenset(reading.by_patient()) for file, reading in readings.items()})
    return [(str(file), reading) for file, reading in readings.items()]


def _prefixes(files: Sequence[Path]) -> dict[Path, str]:
    """The name of each file, as an id may begin."""
    found = {file: re.sub(r"[^A-Za-z0-9._-]", "_", file.name.split(".")[0]).lstrip("._-") + "-" for file in files}
    for file, prefix in found.items():
        alike = [other for other, name in found.items() if name == prefix]
        if len(alike) > 1 or prefix == "-":
            raise NmtranError(f"--prefix-ids: {file} has no name of its own to begin ids with; rename it")
    return found


def _refuse_shared(patients: Mapping[Path, frozenset[str]]) -> None:
    names = list(patients)
    for i, file in enumerate(names):
        for other in names[i + 1 :]:
            if shared := patients[file] & patients[other]:
                raise NmtranError(shared_ids(f"{file} and {other} both have", shared))


def shared_ids(where: str, patients: frozenset[str]) -> str:
    """The refusal of ids that stand in two places, with its mend."""
    named = sorted(patients, key=lambda name: (len(name), name))
    more = f" and {len(named) - LISTED} more" if len(named) > LISTED else ""
    return (
        f"{where} ID {', '.join(named[:LISTED])}{more}; say --join (join=True) if one id is one patient, or"
        " --prefix-ids (prefix_ids=True) if each file has patients of its own"
    )
