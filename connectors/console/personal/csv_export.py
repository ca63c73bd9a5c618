"""A patient's figures as a file to take along: CSV (RFC 4180), by the pseudonym alone.

::

    GET /api/patients/PATIENT/csv?zone=Europe/Berlin

A line is an estimate, the patient's parameters as they are now, a measured value, a time ahead, or an alert as it
stands, oldest first. Columns carry units,
UCUM codes, in their names; numbers are the twin's own, in its units and with a point. Times stand twice: in UTC, and
as the ward's clock showed them. A text that a spreadsheet would take for a formula is preceded by an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from connectors.access.preferences import zone_of
from connectors.console.board import PatientFrame, UnknownPatient
from connectors.console.door.seen import Seen
from connectors.console.door.visitor import visitor_of
from connectors.console.pages import PATIENT_ID, PATIENT_ID_RULE
from connectors.console.personal.preferences import OwnPreferences
from connectors.console.topic_reader import LiveBoard
from connectors.console.views import Point

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With what a text begins that spreadsheets calculate."""

Line = dict[str, str | float]

_point = msgspec.json.Decoder(Point)


class CsvExport:
    """The route's answer."""

    def __init__(self, live: LiveBoard, own: OwnPreferences) -> None:
        self._live, self._own = live, own

    async def answer(self, request: Request) -> Response:
        """The file.

        Raises:
            HTTPException: no such patient is seen, or no such time zone is known.
        """
        who, patient_id = visitor_of(request).who, request.path_params["patient_id"]
        named = request.query_params.get("zone") or self._own.of(who.name).zone or "UTC"
        try:
            zone = zone_of(named)
        except ValueError as error:
            raise HTTPException(400, f"zone: {error}") from None
        try:
            frame = Seen(self._live, who).patient(PATIENT_ID.validate_python(patient_id))
        except ValidationError:
            raise HTTPException(400, f"patient id {patient_id[:80]!r}: expected {PATIENT_ID_RULE}") from None
        except UnknownPatient:
            raise HTTPException(404, f"nothing is known of patient {patient_id}; /api/ward lists the ward") from None
        name = f'attachment; filename="{patient_id}.csv"'
        return Response(
            written(frame, zone),
            media_type="text/csv; charset=utf-8; header=present",
            headers={"content-disposition": name},
        )


def written(frame: PatientFrame, zone: ZoneInfo) -> str:
    """The whole file."""
    lines = sorted(_lines(frame), key=lambda line: line[0])
    utc, local = "time (UTC)", f"time ({zone.key})"
    columns = dict.fromkeys(column for _, line in lines for column in line)
    file = io.StringIO()
    table = csv.DictWriter(file, ["patient", utc, local, *columns], lineterminator="\r\n")
    table.writerow({column: _text(column) for column in table.fieldnames})
    for millis, line in lines:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
        when: Line = {utc: at.isoformat(timespec="seconds"), local: at.astimezone(zone).isoformat(timespec="seconds")}
        said: Line = {name: _text(value) if isinstance(value, str) else value for name, value in line.items()}
        table.writerow({"patient": _text(frame.row.id)} | when | said)
    return file.getvalue()


def _text(said: str) -> str:
    return f"'{said}" if said.startswith(FORMULA) else said


def _lines(frame: PatientFrame) -> Iterator[tuple[int, Line]]:
    units = {level.name: level.unit for level in frame.row.levels}
    targets = {target.name: target.unit for target in frame.row.targets}
    rates = {rate.drug: rate.rate_unit for rate in frame.row.rates}
    for raw in frame.points:
        point = _point.decode(raw)
        line: Line = {"record": "estimate"}
        for name, band in point.o.items():
            line |= _band(name, units.get(name, ""), band)
        for name, (so_far, *_) in point.e.items():
            line[f"{name} so far ({targets.get(name, '')})"] = so_far
        for drug, rate in point.r.items():
            line[f"{drug} rate ({rates.get(drug, '')})"] = rate
        yield point.t, line
    if frame.parameters and frame.row.time is not None:
        own: Line = {"record": "parameters"}
        for each in frame.parameters:
            own |= _band(each.name, each.unit, each.now)
            if each.prior is not None:
                low, middle, high = each.prior
                own |= _band(f"{each.name} of patients like this one", each.unit, (low, low, middle, high, high))
        yield frame.row.time, own
    for value in frame.measured:
        expected: Line = {
            "record": "measured",
            f"{value.output} measured ({value.unit})": value.observed,
            f"{value.output} expected median ({value.unit})": value.median,
        }
        yield value.t, expected
    if frame.forecast is not None:
        for n, t in enumerate(frame.forecast.times):
            ahead: Line = {"record": "forecast"}
            for name, rows in frame.forecast.o.items():
                ahead |= _band(name, units.get(name, ""), tuple(row[n] for row in rows))
            yield t, ahead
    for card in frame.alerts or ():
        last = card.steps[-1]
        told: Line = {
            "record": "alert",
            "alert": card.title,
            "subject": card.subject.name,
            "severity": last.severity,
            "state": last.state,
            "text": last.text,
        }
        yield card.onset, told


def _band(name: str, unit: str, band: tuple[float, ...]) -> Line:
    """5 %, median and 95 %."""
    return {f"{name} {part} ({unit})": band[n] for part, n in (("q05", 0), ("median", 2), ("q95", 4))}
