"""The Flux that asks about all patients at once, so that an answer takes tenths of a second for a month of a full ward.

What makes it quick: the storage is asked for one field, or few, and for what it can find itself (a tag, a value, the
last point, one in a window, tables by model); of the marks of what was withdrawn only those that say so are read; and
what was read is pivoted last, in few tables: one for each field of each patient would cost more than its rows.
"""

from __future__ import annotations

from connectors.grafana.flux import RANGE

TAGS = {"health": (), "nadir": ("output",), "exposure": ("exposure",), "prediction": ("output",)}
"""Tags, beside patient and model, that tell apart what is said of one time."""

LOOKED_AT = 50
"""Newest points of a patient that are looked at for the newest that stands: more were never withdrawn in a row."""

EVERY = "every = if int(v: v.windowPeriod) > int(v: 6h) then v.windowPeriod else 6h"
"""The window over which all twins are summed up: estimates are hourly, and all of a month are too many to order."""

_IN_WINDOW = '\n  |> aggregateWindow(every: every, fn: last, createEmpty: false, timeSrc: "_start")'


def standing(measurement: str, *fields: str) -> str:
    """All points that stand, with these fields as columns; one table for each model."""
    return _without(measurement, fields, _read(measurement, _any_of(fields)), _withdrawn(measurement))


def newest(measurement: str, *fields: str) -> str:
    """The newest point of each patient and model that stands, with these fields as columns.

    The storage finds the last points by itself, in a quarter of the time of those before them: these are looked at
    where one of the last was withdrawn, which is asked first and hardly ever so.
    """
    values = _read(measurement, _any_of(fields))
    last = f"{values}\n  |> last()"
    keys = _keys(measurement)
    withdrawn = f"""{_marked(measurement, last, _withdrawn(measurement))}
  |> filter(fn: (r) => exists r.withdrawn and ({_there(fields)}))
  |> group()
  |> findColumn(fn: (key) => true, column: "patient")"""
    before = f"{values}\n  |> tail(n: {LOOKED_AT})"
    return f"""(if length(arr: {withdrawn}) == 0 then
  {last}
  |> group(columns: ["model"])
  |> pivot(rowKey: [{keys}], columnKey: ["_field"], valueColumn: "_value")
else
  {_without(measurement, fields, before, _withdrawn(measurement))})
  |> group(columns: ["patient", "model"])
  |> sort(columns: ["_time"], desc: true)
  |> limit(n: 1)"""


def in_windows(measurement: str, *fields: str) -> str:
    """Of each window of `EVERY` the newest points, where they stand, with these fields as columns; a table a model."""
    values = _read(measurement, _any_of(fields)) + _IN_WINDOW
    gone = f"""{_read(measurement, 'r._field == "withdrawn"')}{_IN_WINDOW}
  |> filter(fn: (r) => r._value)"""
    return _without(measurement, fields, values, gone)


def last_spoken(measurement: str) -> str:
    """When each patient and model spoke last, of what stands: ``_time``."""
    stands = 'r._field == "withdrawn" and r._value == false'
    return f"""{_read(measurement, stands)}
  |> group(columns: ["patient", "model"])
  |> last()"""


def patients_by_risk() -> str:
    """Whom the time shown holds, by the newest probability of grade 4; those without one come last."""
    return f"""known = {last_spoken("health")}
  |> map(fn: (r) => ({{patient: r.patient, p: -1.0}}))
risk = {newest("nadir", "p_grade4")}
  |> map(fn: (r) => ({{patient: r.patient, p: r.p_grade4}}))
union(tables: [known, risk])
  |> group(columns: ["patient"])
  |> max(column: "p")
  |> group()
  |> sort(columns: ["p"], desc: true)
  |> map(fn: (r) => ({{_value: r.patient}}))"""


def _without(measurement: str, fields: tuple[str, ...], values: str, gone: str) -> str:
    """``values`` of numbers, but for the points that are ``gone``."""
    return f"""{_marked(measurement, values, gone)}
  |> filter(fn: (r) => not exists r.withdrawn and ({_there(fields)}))"""


def _marked(measurement: str, values: str, gone: str) -> str:
    """``values`` of numbers and, as ``withdrawn``, the marks of those that are ``gone``, one row for each point."""
    return f"""union(tables: [
  {values}
  |> group(columns: ["model"]),
  {gone}
  |> toFloat()
  |> group(columns: ["model"]),
])
  |> pivot(rowKey: [{_keys(measurement)}], columnKey: ["_field"], valueColumn: "_value")"""


def _keys(measurement: str) -> str:
    return ", ".join(f'"{name}"' for name in ("_time", "patient", *TAGS[measurement]))


def _there(fields: tuple[str, ...]) -> str:
    return " or ".join(f"exists r.{field}" for field in fields)


def _withdrawn(measurement: str) -> str:
    return _read(measurement, 'r._field == "withdrawn" and r._value == true')


def _any_of(fields: tuple[str, ...]) -> str:
    return "(" + " or ".join(f'r._field == "{field}"' for field in fields) + ")"


def _read(measurement: str, what: str) -> str:
    return f"""from(bucket: v.defaultBucket)
  |> {RANGE}
  |> filter(fn: (r) => r._measurement == "{measurement}" and {what})"""
