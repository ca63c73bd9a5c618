"""What a bucket of InfluxDB should hold, by what the topics hold, and what it does hold."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any
from urllib.request import Request, urlopen

from connectors.kafka.records import decode_record
from connectors.services import Influx
from connectors.sinks.arrival import Arrival
from connectors.sinks.event_lines import event_lines
from connectors.sinks.influx import TOPICS
from tests.lineprotocol import parse
from tests.streams.worker.stage import Stage
from twin.events import to_millis

Points = dict[tuple[str, tuple[tuple[str, str], ...], int], dict[str, Any]]
"""Fields by measurement, tags and time (ns)."""


def expected_points(stage: Stage, refused: Collection[str] = ()) -> Points:
    """What the topics hold, as points: of what was said twice the newest, and no line that was ``refused``."""
    points: Points = {}
    for topic in TOPICS:
        for record in stage.records(stage.prefix + topic):
            for line in lines_of(topic, record):
                if line in refused:
                    continue
                point = parse(line)
                points.setdefault(point.identity, {}).update(point.fields)
    return points


def lines_of(topic: str, record: Any) -> list[str]:
    return event_lines(decode_record(topic, record.value), Arrival(record.timestamp, record.partition, record.offset))


def stored_points(influx: Influx) -> Points:
    """Everything in the bucket, as InfluxDB tells it in annotated CSV."""
    flux = f"""from(bucket: "{influx.bucket}")
      |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)
      |> drop(columns: ["_start", "_stop"])"""
    asked = {"query": flux, "type": "flux", "dialect": {"annotations": ["datatype"], "header": True}}
    request = Request(
        f"{influx.url}/api/v2/query?org={influx.org}",
        json.dumps(asked).encode(),
        {"Authorization": f"Token {influx.token}", "Content-Type": "application/json", "Accept": "application/csv"},
    )
    with urlopen(request, timeout=60) as answer:
        rows = list(csv.reader(io.StringIO(answer.read().decode())))
    points: Points = {}
    kinds: dict[str, str] = {}
    for number, row in enumerate(rows):
        if not row or row[0] == "#datatype":
            continue
        if rows[number - 1] and rows[number - 1][0] == "#datatype":
            header, kinds = row, dict(zip(row, rows[number - 1], strict=True))
            continue
        column = dict(zip(header, row, strict=True))
        tags = {name: value for name, value in column.items() if not name.startswith("_") and name and value}
        tags = {name: value for name, value in tags.items() if name not in ("result", "table")}
        identity = column["_measurement"], tuple(sorted(tags.items())), nanoseconds(column["_time"])
        points.setdefault(identity, {})[column["_field"]] = READ[kinds["_value"]](column["_value"])
    return points


READ: dict[str, Callable[[str], Any]] = {
    "double": float,
    "long": int,
    "string": str,
    "boolean": lambda text: text == "true",
}


def nanoseconds(time: str) -> int:
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return to_millis(datetime.fromisoformat(seconds + "+00:00")) * 1_000_000 + int(fraction.ljust(9, "0"))
