"""Elastomeric pumps, which tell nothing: a CSV file of their start, planned length and what was left in them.

A line is a pump: ``patient_id, device_id, drug, concentration_mg_per_ml, volume_ml, started, planned_h``, and once it
is taken off ``disconnected, residual_ml``. Times are ISO 8601. A pump is taken to flow as it is labelled; what was left
says what went in, and where that is another amount than the label's, twins weigh when it did (early, evenly or late).
An empty pump stopped when its label says; one that was not empty flowed until it was taken off. The same file may be
given again as it grows: what it said before has the same ids.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from connectors.facts.fact import Moment, NotAFact
from connectors.facts.moments import instant
from connectors.feeds.bad_lines import BadLine
from connectors.feeds.stream import Said, Stream, TimedEvent
from twin.events import InputEvent, PumpDelivery, PumpTotals, Quantity, event_id, to_millis
from twin.events.malformed import first_fault

COLUMNS = ("patient_id", "device_id", "drug", "concentration_mg_per_ml", "volume_ml", "started", "planned_h")
AT_THE_END = ("disconnected", "residual_ml")

LONGEST_H = 14 * 24.0
"""Longest labelled length (ambulatory pumps of the market last up to seven days)."""


def open_feed(
    files: Annotated[list[Path], "CSV, one pump a line"],
    *,
    zone: Annotated[str, "where times without an offset are of (as Europe/Berlin)"] = "",
    source: Annotated[str, "source of the events"] = "elastomeric",
) -> Stream:
    """What the pumps delivered; the end that a label says is told once it has passed."""
    try:
        place = ZoneInfo(zone) if zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"--zone {zone!r}: no zone of the IANA database, as Europe/Berlin is") from None
    return Stream(said for file in files for said in _said(file, place, source, datetime.now(UTC)))


def _said(file: Path, zone: ZoneInfo | None, source: str, now: datetime) -> Iterator[Said]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        lines = csv.DictReader(text)
        if missing := [name for name in (*COLUMNS, *AT_THE_END) if name not in (lines.fieldnames or ())]:
            raise ValueError(f"{file}: its first line has no column {', '.join(missing)}")
        for line in lines:
            try:
                events = list(told(line, zone, source, now))
            except NotAFact as error:
                yield BadLine(lines.line_num, f"{error.reason}: {error.detail}", file)
            except ValidationError as error:
                yield BadLine(lines.line_num, first_fault(error), file)
            else:
                yield from (TimedEvent(to_millis(event.time), event) for event in events)


def told(line: Mapping[str, str | None], zone: ZoneInfo | None, source: str, now: datetime) -> Iterator[InputEvent]:
    """The events of a line, as far as they are not after ``now``.

    Raises:
        NotAFact: with the field and the mend.
        ValidationError: a name is too long, or none.
    """
    volume, hours = _number(line, "volume_ml"), _number(line, "planned_h")
    concentration = Quantity(value=_number(line, "concentration_mg_per_ml"), unit="mg/mL")
    if hours > LONGEST_H:
        raise NotAFact("out_of_range", f"field 'planned_h': more than {LONGEST_H:g} h")
    start = _time(line, "started", zone)
    labelled = start + timedelta(hours=hours)
    end, left = labelled, 0.0
    off = _time(line, "disconnected", zone) if _text(line, "disconnected") else None
    if off is not None:
        left = _number(line, "residual_ml", least=0.0)
        if left > volume:
            raise NotAFact("contradictory", "field 'residual_ml': more than 'volume_ml'")
        if off <= start:
            raise NotAFact("contradictory", "field 'disconnected': not after 'started'")
        end = off if left > 0 else min(labelled, off)
    shared: dict[str, Any] = {
        "patient_id": _text(line, "patient_id"), "source": source, "device_id": _text(line, "device_id"),
        "drug": _text(line, "drug"), "concentration": concentration,
    }  # fmt: skip

    def name(what: str) -> str:
        return event_id(source, shared["patient_id"], shared["device_id"], shared["drug"], to_millis(start), what)

    flow = Quantity(value=round(volume / hours, 9), unit="mL/h")
    yield PumpDelivery(
        event_id=name("start"), time=start, phase="start", delivery_status="delivering", rate=flow, **shared
    )
    yield PumpTotals(event_id=name("filled"), time=start, delivered=Quantity(value=0.0, unit="mL"), **shared)
    stopped: dict[str, Any] = {"delivery_status": "not-delivering", "rate": Quantity(value=0.0, unit="mL/h")} | shared
    if labelled <= now:
        yield PumpDelivery(event_id=name("end"), time=labelled, phase="complete", **stopped)
    if off is not None and off <= now:
        if end != labelled:  # in place of the label's end, whether or not that was told before
            corrected: dict[str, Any] = {"status": "corrected", "replaces": name("end")}
            yield PumpDelivery(event_id=name("off"), time=end, phase="stop", **corrected, **stopped)
        delivered = Quantity(value=round(volume - left, 9), unit="mL")
        yield PumpTotals(event_id=name("weighed"), time=off, delivered=delivered, **shared)


def _text(line: Mapping[str, str | None], name: str) -> str:
    return (line.get(name) or "").strip()


def _number(line: Mapping[str, str | None], name: str, least: float | None = None) -> float:
    try:
        found = float(_text(line, name))
    except ValueError:
        raise NotAFact("incomplete", f"field '{name}': no number") from None
    if not (found > 0 if least is None else found >= least) or found > 1e6:
        raise NotAFact("out_of_range", f"field '{name}': not a number that a pump has")
    return found


def _time(line: Mapping[str, str | None], name: str, zone: ZoneInfo | None) -> datetime:
    text = _text(line, name)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise NotAFact("no_time", f"field '{name}': no time of ISO 8601, as 2026-03-02T09:00+01:00") from None
    return instant(Moment(at, "instant" if len(text) > len("2026-03-02") else "day"), zone)[0]
