"""The dashboards as Grafana would show them: every panel, every choice above it, what its queries find."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from connectors.grafana import build
from connectors.grafana.asking import View
from tests.connectors.console.bench import Bench

UNIT = "U"
"""The query of a panel that finds its unit."""

BOARDS = {name: json.loads(content) for name, content in build.dashboards().items()}


def panels_of(name: str) -> list[dict[str, Any]]:
    return [panel for panel in BOARDS[name]["panels"] if panel["type"] != "row"]


def every_panel() -> list[Any]:
    return [
        pytest.param(name, panel, id=f"{name.removesuffix('.json')}-{panel['title']}")
        for name in BOARDS
        for panel in panels_of(name)
    ]


class Shown:
    """What Grafana would show: fills in a query as Grafana does and runs it."""

    def __init__(self, bench: Bench, start: datetime, stop: datetime) -> None:
        self.bench = bench
        self._view = View(bench.influx.bucket, start, stop)

    def rows(self, query: str, **variables: str) -> list[dict[str, Any]]:
        with self.bench.client() as client:
            tables = client.query_api().query(self._view.filled(query, variables))
        return [record.values for table in tables for record in table.records]

    def choices(self, board: str, name: str, **variables: str) -> list[str]:
        variable = next(entry for entry in BOARDS[board]["templating"]["list"] if entry["name"] == name)
        return sorted(row["_value"] for row in self.rows(variable["query"], **variables))

    def repeats(self, board: str, panel: dict[str, Any], **chosen: str) -> Iterator[dict[str, str]]:
        """The variables of each copy of a panel that Grafana repeats, or ``chosen`` of one that it does not."""
        repeated = panel.get("repeat")
        if repeated is None:
            yield chosen
            return
        for value in self.choices(board, repeated, **chosen):
            yield chosen | {repeated: value}

    def drawn(self, panel: dict[str, Any], empty: str = "", **variables: str) -> set[str]:
        """The columns that the panel draws; fails unless every query finds what can be drawn.

        Queries whose letters are in ``empty`` must find nothing.
        """
        names: set[str] = set()
        for target in panel["targets"]:
            rows = self.rows(target["query"], **variables)
            if target["refId"] == UNIT:
                assert [set(row) - {"result", "table"} for row in rows] == [{"unit"}], variables
                continue
            if target["refId"] in empty:
                assert rows == [], (target["refId"], variables)
                continue
            values = {name: value for row in rows for name, value in row.items() if value is not None}
            found = set(values) - {"result", "table", "_time"}
            drawable = object if panel["type"] == "table" else int | float
            assert any(isinstance(values[name], drawable) for name in found), (target["refId"], variables)
            names |= found
        return names


def named_in_overrides(panel: dict[str, Any], names: set[str]) -> None:
    """Whatever a panel draws in a special way is a column of its answers."""
    for override in panel["fieldConfig"].get("overrides", []):
        matcher = override["matcher"]
        if matcher["id"] == "byName":
            assert matcher["options"] in names
        else:
            pattern = matcher["options"].strip("/")
            assert any(re.search(pattern, name) for name in names), pattern
        for entry in override["properties"]:
            if entry["id"] == "custom.fillBelowTo":
                assert entry["value"] in names
