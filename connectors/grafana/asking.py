"""A board's queries as Grafana sends them: what is chosen and what is shown are filled in as text.

Grafana knows a dozen lengths of a window (`window`) and writes what is chosen of a variable as an address writes it
where a query asks for that (`connectors.grafana.flux.chosen`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from connectors.grafana.build import FOLDER

WIDEST = 1000
"""Points of a curve that Grafana asks for at most: about the pixels of a panel of half a wide page."""

_WINDOWS = (
    *((1.5, 1), (3.5, 2), (7.5, 5), (12.5, 10), (17.5, 15), (25.0, 20), (45.0, 30), (90.0, 60), (210.0, 120)),
    *((450.0, 300), (750.0, 600), (1050.0, 900), (1500.0, 1200), (2700.0, 1800), (5400.0, 3600), (9000.0, 7200)),
    *((16_200.0, 10_800), (32_400.0, 21_600), (86_400.0, 43_200), (604_800.0, 86_400)),
)
"""Seconds below which a pixel is rounded to a window of so many, as `roundInterval` of @grafana/data 11.6 has them."""


class Asked(NamedTuple):
    """One query of a board: ``where`` it stands, and its text."""

    where: str
    query: str


@dataclass(frozen=True)
class View:
    """What a board is looked at with: the bucket and the time shown."""

    bucket: str
    start: datetime
    stop: datetime

    def filled(self, query: str, chosen: Mapping[str, str]) -> str:
        """The text that the database gets.

        Raises:
            ValueError: a variable of the query has no value in ``chosen``.
        """
        for name, value in chosen.items():
            query = query.replace(f"${{{name}:percentencode}}", quote(value, safe="-_.~"))
        told = {
            "timeRangeStart": self.start.isoformat(),
            "timeRangeStop": self.stop.isoformat(),
            "windowPeriod": window(self.stop - self.start),
            "defaultBucket": f'"{self.bucket}"',
        }
        for name, value in told.items():
            query = query.replace(f"v.{name}", value)
        if found := re.search(r"\$\{?\w+|\bv\.\w+", query):
            raise ValueError(f"{found.group()} is left open in {query!r}: choose a value for it")
        return query


def window(shown: timedelta, points: int = WIDEST) -> str:
    """The window that Grafana asks for where about ``points`` fill the time shown.

    >>> window(timedelta(days=30)), window(timedelta(hours=6))
    ('1800s', '20s')
    """
    each = shown.total_seconds() / points
    return f"{next((seconds for below, seconds in _WINDOWS if each < below), 604_800)}s"


def committed() -> dict[str, dict[str, Any]]:
    """The boards that are provisioned, by file name."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def queries(name: str, board: Mapping[str, Any]) -> Iterator[Asked]:
    """Every query of a board: of its variables, its marks and its panels."""
    short = name.removesuffix(".json")
    for variable in board["templating"].get("list", []):
        yield Asked(f"{short}: variable {variable['name']}", variable["query"])
    for mark in board.get("annotations", {}).get("list", []):
        yield Asked(f"{short}: mark {mark['name']}", mark["target"]["query"])
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield Asked(f"{short}: {panel['id']}{target['refId']}, {panel['title']}", target["query"])
