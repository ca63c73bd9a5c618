"""The Flux that the panels ask, over the points of `connectors.sinks.lines`.

``v.…`` and ``${patient}``, ``${model}``, ``${output}`` are filled in by Grafana: names of patients and models have no
quotation marks (the event vocabulary sees to it). Columns are named here as the reader sees them, without tags, so that
a panel can tell its curves apart by name alone.
"""

from __future__ import annotations

from twin.events import LIVE

BANDS = {"q05": "5 %", "q25": "25 %", "median": "median", "q75": "75 %", "q95": "95 %"}
"""Quantile fields and what the reader sees."""

ONE_PATIENT = ("patient", "model")

REVISED = ("estimate", "parameter", "exposure", "delivery", "health", "model_weight", "prediction", "nadir", "issued")
"""Measurements whose points late data replace, or withdraw: what is shown of them is the best that is known now."""

_RANGE = "range(start: v.timeRangeStart, stop: v.timeRangeStop)"
_PIVOT = '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
_STANDING = "|> filter(fn: (r) => not exists r.withdrawn or not r.withdrawn)"
_AT_MILLIS = "|> map(fn: (r) => ({r with _time: time(v: int(v: r._time) / 1000000 * 1000000)}))"
_SHOW_TIMES = '|> sort(columns: ["_time"])'


_UNIT_OF_ROWS = "unit = (rows |> findRecord(fn: (key) => true, idx: 0)).unit"
_MEDIAN_WITH_UNIT = '|> rename(fn: (column) => if column == "median" then "median, " + unit else column)'


def points(measurement: str, *variables: str, field: str = "", time_range: str = _RANGE, newest: int = 0) -> str:
    """Points whose tags equal the dashboard variables of the same names, of one field or, pivoted, of all.

    Those that were withdrawn are left out. With ``newest`` only so many of each series are looked at.
    """
    tags = "".join(f' and r.{name} == "${{{name}}}"' for name in variables)
    wanted = f' and r._field == "{field}"' if field else ""
    shown = [] if field else [_PIVOT]
    if measurement in REVISED:
        shown = [_PIVOT, _STANDING]
        if field:
            wanted = f' and (r._field == "{field}" or r._field == "withdrawn")'
            shown += [f'|> filter(fn: (r) => exists r.{field})\n  |> rename(columns: {{{field}: "_value"}})']
    of_each = [f"|> tail(n: {newest})"] if newest else []
    lines = [f'|> filter(fn: (r) => r._measurement == "{measurement}"{tags}{wanted})', *of_each, *shown]
    return "\n  ".join(["from(bucket: v.defaultBucket)", f"|> {time_range}", *lines])


def columns(names: dict[str, str], keep: tuple[str, ...] = ("_time",)) -> str:
    """Keep these columns only, under the names the reader sees."""
    kept = ", ".join(f'"{name}"' for name in (*keep, *names))
    renamed = ", ".join(f'{name}: "{shown}"' for name, shown in names.items() if name != shown)
    return f"|> keep(columns: [{kept}])" + (f"\n  |> rename(columns: {{{renamed}}})" if renamed else "")


def curves(measurement: str, names: dict[str, str], *variables: str) -> str:
    """Several fields of one series over time."""
    return f"{points(measurement, *variables)}\n  |> group()\n  {columns(names)}\n  {_SHOW_TIMES}"


def curve_per(measurement: str, field: str, tag: str, name: str, *variables: str) -> str:
    """One field over time, a curve for each value of ``tag``."""
    return f"""{points(measurement, *variables, field=field)}
  |> group(columns: ["{tag}"])
  |> keep(columns: ["_time", "_value", "{tag}"])
  |> rename(columns: {{_value: "{name}"}})
  {_SHOW_TIMES}"""


def bands_with_unit(measurement: str, *variables: str) -> str:
    """Quantiles of one series over time; the unit stands beside the median's name."""
    quantiles = {field: shown for field, shown in BANDS.items() if field != "median"}
    return f"""rows = {points(measurement, *variables)}
  |> group()
{_UNIT_OF_ROWS}
rows
  {columns(quantiles, keep=("_time", "median"))}
  {_MEDIAN_WITH_UNIT}
  {_SHOW_TIMES}"""


def bands_as_published() -> str:
    """Quantiles of an output as they were published first, whatever became known later."""
    names = {field: f"then {shown}" for field, shown in BANDS.items()}
    return f"""{points("estimate_published", *ONE_PATIENT, "output")}
  |> group()
  {_AT_MILLIS}
  |> sort(columns: ["_time", "rev"])
  |> unique(column: "_time")
  {columns(names)}"""


def latest_forecast() -> str:
    """The newest forecast that stands, in the words that stand, and no older one: their points lie between its own."""
    names = {field: f"ahead {shown}" for field, shown in BANDS.items()}
    since_ever = "range(start: 0, stop: v.timeRangeStop)"
    return f"""newest = {points("issued", *ONE_PATIENT, time_range=since_ever)}
  |> group()
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> map(fn: (r) => ({{issued: int(v: r._time), rev: r.rev}}))
issued = newest |> findColumn(fn: (key) => true, column: "issued")
rev = newest |> findColumn(fn: (key) => true, column: "rev")
{points("forecast", *ONE_PATIENT, "output")}
  |> group()
  |> filter(fn: (r) => contains(value: r.issued, set: issued) and contains(value: r.rev, set: rev))
  {_AT_MILLIS}
  {columns(names)}
  {_SHOW_TIMES}"""


def latest(measurement: str, names: dict[str, str], *variables: str, order: str = "_time") -> str:
    """The newest point of one series, its fields as columns."""
    return f"""{points(measurement, *variables)}
  |> group()
  |> sort(columns: ["{order}"])
  |> tail(n: 1)
  {columns(names)}"""


def latest_with_unit(measurement: str, names: dict[str, str], *variables: str) -> str:
    """As `latest`, the unit beside the median's name."""
    return f"""rows = {points(measurement, *variables)}
  |> group()
  |> sort(columns: ["_time"])
  |> tail(n: 1)
{_UNIT_OF_ROWS}
rows
  {columns(names)}
  {_MEDIAN_WITH_UNIT}"""


def latest_per(measurement: str, tag: str, names: dict[str, str], *variables: str) -> str:
    """A table: the newest point for each value of ``tag``."""
    return f"""{points(measurement, *variables)}
  |> group(columns: ["{tag}"])
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> group()
  {columns(names, keep=())}
  |> sort(columns: ["{names[tag]}"])"""


_VALID_PLAN = f"""planned = {points("planned_dose", "patient", time_range="range(start: 0, stop: v.timeRangeStop)")}
  |> group(columns: ["drug"])
marks = planned
  |> filter(fn: (r) => exists r.in_force and r.in_force != "")
  |> keep(columns: ["_time", "drug", "in_force"])
doses = planned
  |> filter(fn: (r) => exists r.plan)
  |> keep(columns: ["_time", "drug", "plan", "amount_mg", "duration_h"])
valid = union(tables: [marks, doses])
  |> sort(columns: ["_time"])
  |> fill(column: "in_force", usePrevious: true)
  |> filter(fn: (r) => exists r.plan and r.plan == r.in_force)
  |> map(fn: (r) => ({{
    drug: r.drug,
    amount: r.amount_mg,
    hours: r.duration_h,
    begin: int(v: r._time) / 1000000 * 1000000,
    end: int(v: r._time) / 1000000 * 1000000 + int(v: r.duration_h * 3600000000000.0),
  }}))"""
"""Doses of the plan that ruled at their time. A newer plan replaces an older one from its own time on."""


def planned_rate() -> str:
    """The planned infusion rate, in steps, per drug: every begin adds a rate and every end takes it away."""
    return f"""{_VALID_PLAN}
  |> filter(fn: (r) => r.hours > 0.0)
begins = valid |> map(fn: (r) => ({{_time: time(v: r.begin), drug: r.drug, step: r.amount / r.hours}}))
ends = valid |> map(fn: (r) => ({{_time: time(v: r.end), drug: r.drug, step: -r.amount / r.hours}}))
{_summed("begins, ends", "planned")}"""


def planned_amount() -> str:
    """The planned cumulative amount per drug, rising over each infusion and at once where a dose is given at once."""
    return f"""{_VALID_PLAN}
before = valid |> map(fn: (r) => ({{
  _time: time(v: if r.hours > 0.0 then r.begin else r.begin - 1000000), drug: r.drug, step: 0.0
}}))
after = valid |> map(fn: (r) => ({{_time: time(v: r.end), drug: r.drug, step: r.amount}}))
{_summed("before, after", "planned")}"""


def _summed(tables: str, name: str) -> str:
    return f"""union(tables: [{tables}])
  |> group(columns: ["drug", "_time"])
  |> sum(column: "step")
  |> group(columns: ["drug"])
  |> sort(columns: ["_time"])
  |> cumulativeSum(columns: ["step"])
  |> rename(columns: {{step: "{name}"}})"""


def latest_transitions(*variables: str) -> str:
    """The newest transition of every alert, one table of all."""
    return f"""{points("alert", *variables)}
  |> group(columns: ["alert_id"])
  |> sort(columns: ["revision"])
  |> tail(n: 1)
  |> group()"""


ACTIVE = "|> filter(fn: (r) => " + " or ".join(f'r.state == "{state}"' for state in sorted(LIVE)) + ")"
"""Of the newest transitions, those of alerts that still stand."""


def values_of(tag: str, measurement: str, *variables: str) -> str:
    """The choices of a dashboard variable: the values of ``tag`` in the time shown."""
    tags = "".join(f' and r.{name} == "${{{name}}}"' for name in variables)
    return f"""import "influxdata/influxdb/schema"

schema.tagValues(
  bucket: v.defaultBucket,
  tag: "{tag}",
  predicate: (r) => r._measurement == "{measurement}"{tags},
  start: v.timeRangeStart,
  stop: v.timeRangeStop,
)"""
