"""Fitbit's export (Google Takeout, a ZIP or its folder): heart rate, oxygen saturation, temperature, steps, weight.

An export has most series several times; of each the first kind of `SERIES` that is there is read. Older files (JSON)
have times of the wall clock, for which ``--zone`` says where. Daily figures are statistics, and a temperature of the
skin is none of the body: neither is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from connectors.facts.fact import Moment, NotAFact
from connectors.facts.moments import instant
from connectors.feeds import OR_FOLDER
from connectors.feeds.bad_lines import BadLine
from connectors.feeds.exports import Part, Wearer, opened, refused, wearer
from connectors.feeds.stream import Note, Said, Stream, TimedEvent

_decoder = msgspec.json.Decoder()

LARGEST_JSON = 1 << 26
"""Bytes of a file of JSON, which is read as a whole; a day of heart rate has some four million."""

NO_READING = 50.0
"""What the export has in place of an oxygen saturation that could not be read."""

_DAY = r"\d{4}-\d\d-\d\d"


class Row(NamedTuple):
    """A value as the export has it; ``note`` says why it is passed over."""

    at: Moment
    value: float
    unit: str
    device: str = ""
    note: str = ""


class Series(NamedTuple):
    """A kind of file: of what, its names, and how one is read."""

    channel: str
    names: re.Pattern[str]
    rows: Callable[[Part, _Settings], Iterator[tuple[int, Row | NotAFact]]]
    of_wall: bool = False


@dataclass(frozen=True)
class _Settings:
    weight_unit: str


def open_feed(
    export: Annotated[Path, "the archive of Google Takeout, or its folder", OR_FOLDER],
    *,
    patient: Annotated[str, "whose it is, as the ward's models know them"],
    zone: Annotated[str, "where the clock of files without offsets was (as Europe/Berlin)"] = "",
    weight: Annotated[str, "what those models call a body's weight; without it a weight is a scale's reading"] = "",
    weight_unit: Annotated[str, "unit of weights in JSON, which they do not say: kg or [lb_av]"] = "",
    source: Annotated[str, "source of the events"] = "fitbit",
) -> Stream:
    """The readings of an export."""
    try:
        place = ZoneInfo(zone) if zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"--zone {zone!r}: no zone of the IANA database, as Europe/Berlin is") from None
    return Stream(_said(export, wearer(patient, source, weight), place, _Settings(weight_unit)))


def _said(export: Path, person: Wearer, zone: ZoneInfo | None, settings: _Settings) -> Iterator[Said]:
    passed: Counter[str] = Counter()
    with opened(export) as parts:
        there = [(part, series) for part in parts if (series := _series_of(part.name)) is not None]
        if not there:
            raise ValueError(f"{export}: no file of Fitbit's export is in it that is read (heart_rate_2026-03-01.csv)")
        rank = {series.channel: SERIES.index(series) for series in reversed(SERIES) if series in {s for _, s in there}}
        for part, series in there:
            if SERIES.index(series) != rank[series.channel]:
                passed[f"a file of {series.channel} that another kind of file has too"] += 1
            else:
                yield from _of_file(part, series, person, zone, settings, passed)
    for what, count in sorted(passed.items()):
        yield Note(f"{count} passed over: {what}")


def _of_file(
    part: Part, series: Series, person: Wearer, zone: ZoneInfo | None, settings: _Settings, passed: Counter[str]
) -> Iterator[Said]:
    file = Path(part.name)
    if series.of_wall and zone is None:
        text = "time_without_zone: times without offsets; give --zone (as Europe/Berlin), and its other events are read"
        yield BadLine(1, text, file)
        return
    for number, row in series.rows(part, settings):
        try:
            if isinstance(row, NotAFact):
                raise row
            if row.note:
                passed[row.note] += 1
                continue
            yield _told(row, series, person, zone)
        except NotAFact as error:
            yield BadLine(number, refused(error), file)


def _told(row: Row, series: Series, person: Wearer, zone: ZoneInfo | None) -> TimedEvent:
    at, _ = instant(row.at, zone)
    if series.channel == "steps":
        at += timedelta(minutes=1)  # of the minute that begins then
    return person.told(series.channel, row.value, row.unit, at, person.device("fitbit", row.device))


def _series_of(name: str) -> Series | None:
    return next((one for one in SERIES if one.names.fullmatch(name.lower())), None)


def _table(column: str, unit: str) -> Callable[[Part, _Settings], Iterator[tuple[int, Row | NotAFact]]]:
    """Reads CSV by the names of its columns, ``timestamp`` (ISO 8601), one of values, and ``data source``."""

    def rows(part: Part, _: _Settings) -> Iterator[tuple[int, Row | NotAFact]]:
        with part.open() as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            table = csv.DictReader(text)
            try:
                if not {"timestamp", column} <= set(table.fieldnames or ()):
                    yield 1, NotAFact("malformed", f"its first line has not 'timestamp' and {column!r}")
                    return
                for said in table:
                    yield table.line_num, _row(said, column, unit)
            except (csv.Error, UnicodeDecodeError):
                yield table.line_num, NotAFact("malformed", "no table any more; what stands before it was read")

    return rows


def _row(said: dict[str, Any], column: str, unit: str) -> Row | NotAFact:
    try:
        at = Moment(datetime.fromisoformat(said["timestamp"]))
        value = float(said[column])
    except (TypeError, ValueError) as error:
        return error if isinstance(error, NotAFact) else NotAFact("incomplete", "a line without its time or number")
    invalid = unit == "%" and value == NO_READING
    return Row(at, value, unit, said.get("data source") or "", "no reading (50 %)" if invalid else "")


def _list(read: Callable[[dict[str, Any], _Settings], Row]) -> Callable[..., Iterator[tuple[int, Row | NotAFact]]]:
    """Reads JSON: an array of objects."""

    def rows(part: Part, settings: _Settings) -> Iterator[tuple[int, Row | NotAFact]]:
        with part.open() as stream:
            raw = stream.read(LARGEST_JSON + 1)
        try:
            said = _decoder.decode(raw) if len(raw) <= LARGEST_JSON else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = None
        if not isinstance(said, list):
            yield 1, NotAFact("malformed", f"no array of JSON of at most {LARGEST_JSON >> 20} MiB")
            return
        for number, one in enumerate(said, start=1):
            try:
                yield number, read(one, settings)
            except NotAFact as error:
                yield number, error
            except (KeyError, TypeError, ValueError):
                yield number, NotAFact("incomplete", "an entry without its time or number")

    return rows


def _wall(text: str) -> Moment:
    return Moment(datetime.strptime(text, "%m/%d/%y %H:%M:%S"))


def _beats(said: dict[str, Any], _: _Settings) -> Row:
    note = "a pulse without confidence" if said["value"].get("confidence") == 0 else ""
    return Row(_wall(said["dateTime"]), float(said["value"]["bpm"]), "/min", note=note)


def _steps(said: dict[str, Any], _: _Settings) -> Row:
    return Row(_wall(said["dateTime"]), float(said["value"]), "{steps}")


def _weight(said: dict[str, Any], settings: _Settings) -> Row:
    if not settings.weight_unit:
        raise NotAFact("no_unit", "a weight without its unit; give --weight-unit (kg, [lb_av])")
    return Row(_wall(f"{said['date']} {said['time']}"), float(said["weight"]), settings.weight_unit)


SERIES = (
    Series("heart_rate", re.compile(rf"heart_rate_{_DAY}\.csv"), _table("beats per minute", "/min")),
    Series("heart_rate", re.compile(rf"heart_rate-{_DAY}\.json"), _list(_beats), of_wall=True),
    Series("spo2", re.compile(rf"minute spo2 - {_DAY}\.csv"), _table("value", "%")),
    Series("spo2", re.compile(rf"oxygen_saturation_{_DAY}\.csv"), _table("oxygen saturation percentage", "%")),
    Series("body_temperature", re.compile(rf"core_body_temperature_{_DAY}\.csv"), _table("temperature celsius", "Cel")),
    Series("steps", re.compile(rf"steps_{_DAY}\.csv"), _table("steps", "{steps}")),
    Series("steps", re.compile(rf"steps-{_DAY}\.json"), _list(_steps), of_wall=True),
    Series("weight", re.compile(rf"weight(_{_DAY})?\.csv"), _table("weight grams", "g")),
    Series("weight", re.compile(rf"weight-{_DAY}\.json"), _list(_weight), of_wall=True),
)
"""What is read of an export, of each channel the better first: with offsets and devices, then without."""
