"""What each query of the boards takes, as Grafana sends it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import datetime
from statistics import median
from time import monotonic, perf_counter
from urllib.parse import urlencode

from connectors.grafana.asking import View, committed, queries
from connectors.services.influxdb import Influx, connection_to
from streams.bench.stream import BenchmarkFailed

ANSWER_SECONDS = 60.0
"""Longest wait for an answer: two hundred times what one may take."""

QUERY_SECONDS = 10.0
"""After which a query is not repeated any more: its figure is past all doubt."""

ALL_SECONDS = 1_200.0
"""For all queries: ten times what they take where each is as fast as it may be."""


class Database:
    """One connection, kept open as Grafana keeps its own."""

    def __init__(self, influx: Influx) -> None:
        self._token, self._path = influx.token, "/api/v2/query?" + urlencode({"org": influx.org})
        self._connection = connection_to(influx.url, influx.ca, timeout=ANSWER_SECONDS)

    def close(self) -> None:
        self._connection.close()

    def answer(self, flux: str) -> str:
        """The annotated CSV that is answered.

        Raises:
            BenchmarkFailed: the query is refused, or not answered.
        """
        body = json.dumps({"query": flux, "dialect": {"header": True, "annotations": ["datatype", "group", "default"]}})
        headers = {"Authorization": f"Token {self._token}", "Content-Type": "application/json"}
        try:
            self._connection.request("POST", self._path, body, headers)
            response = self._connection.getresponse()
            text = response.read().decode()
        except TimeoutError:
            raise BenchmarkFailed(f"InfluxDB does not answer in {ANSWER_SECONDS:g} s to\n{flux}") from None
        if response.status != 200:
            raise BenchmarkFailed(f"InfluxDB answers {response.status} to\n{flux}\n{text[:500]}")
        return text

    def milliseconds(self, flux: str, repeats: int) -> float:
        """From sending to the last byte; the median of ``repeats`` after a first that only warms up, of fewer where it
        is slow, and at least one."""
        took, until = list[float](), monotonic() + QUERY_SECONDS
        self.answer(flux)
        while not took or (len(took) < repeats and monotonic() < until):
            begin = perf_counter()
            self.answer(flux)
            took.append(1000.0 * (perf_counter() - begin))
        return median(took)


def query_times(influx: Influx, shown: tuple[datetime, datetime], repeats: int) -> dict[str, float]:
    """Milliseconds of every query of every board, by where it stands.

    Of what may be chosen above a board the first is, and the last, whose twin may have another model: the longer time
    counts.

    Raises:
        BenchmarkFailed: a query is refused or not answered, or all of them take longer than `ALL_SECONDS`.
    """
    until = monotonic() + ALL_SECONDS
    database, view = Database(influx), View(influx.bucket, *shown)
    found: dict[str, float] = {}
    try:
        for name, board in committed().items():
            variables = board["templating"].get("list", [])
            for place in (0, -1)[: 1 + bool(variables)]:
                chosen = _chosen(database, view, variables, place)
                for asked in queries(name, board):
                    if monotonic() > until:
                        raise BenchmarkFailed(
                            f"{len(found)} queries were timed in {ALL_SECONDS:g} s, and not {asked.where}"
                        )
                    took = database.milliseconds(view.filled(asked.query, chosen), repeats)
                    found[asked.where] = round(max(took, found.get(asked.where, 0.0)), 1)
    finally:
        database.close()
    return found


def slowest(times: Mapping[str, float]) -> dict[str, float]:
    """Of each board the most milliseconds."""
    found: dict[str, float] = {}
    for where, took in times.items():
        board = where.partition(":")[0]
        found[board] = max(took, found.get(board, 0.0))
    return found


def _chosen(database: Database, view: View, variables: list[dict[str, str]], place: int) -> dict[str, str]:
    """A value of each variable of a board, in their order: later ones depend on those before."""
    chosen: dict[str, str] = {}
    for variable in variables:
        text = database.answer(view.filled(variable["query"], chosen))
        rows = list(csv.DictReader(line for line in io.StringIO(text) if not line.startswith("#")))
        chosen[variable["name"]] = rows[place]["_value"] if rows else "none"
    return chosen
