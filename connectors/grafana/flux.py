"""The Flux that the panels ask, over the points of `connectors.sinks.lines`.

``v.…`` and what is chosen above a board are filled in by Grafana, which puts the text of an address into a query as it
is: so it is asked for as addresses write it (`chosen`), where nothing ends a string, and names of patients, models and
outputs look as ever (the event vocabulary and `connectors.sinks.line_protocol.model_tag` see to it). Columns are named
here as the reader sees them, without tags, so that a panel can tell its curves apart by name alone.
"""

from __future__ import annotations

from twin.events import LIVE
from twin.model.measured.ctcae import CRITERIA, graded

BANDS = {"q05": "5 %", "q25": "25 %", "median": "median", "q75": "75 %", "q95": "95 %"}
"""Quantile fields and what the reader sees."""

ONE_PATIENT = ("patient", "model")

_TAG_OF = {"level": "output"}
"""Variables that are called otherwise than the tag whose values they choose: outputs that are levels of a drug."""

_NUMBER_OF = {"vital": "value"}
"""The field of a measurement that is in the series' unit; else its median."""

_LEVEL = r"/^[kmunpµ]?(g|mol)\/[mdµ]?L$/"
"""Units of levels of a drug, which fall exponentially; counts and pressures have others."""

REVISED = (
    "estimate", "parameter", "exposure", "delivery", "health", "model_weight", "class_probability", "prediction",
    "nadir", "issued",
)  # fmt: skip
"""Measurements whose points late data replace, or withdraw: what is shown of them is the best that is known now."""

RANGE = "range(start: v.timeRangeStart, stop: v.timeRangeStop)"
"""The time shown."""

_PIVOT = '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
_STANDING = "|> filter(fn: (r) => not exists r.withdrawn or not r.withdrawn)"
_ISSUED_TEXT = 'strings.replaceAll(v: string(v: time(v: r.issued)), t: ":", u: "")'
_AT_MILLIS = "|> map(fn: (r) => ({r with _time: time(v: int(v: r._time) / 1000000 * 1000000)}))"
_SHOW_TIMES = '|> sort(columns: ["_time"])'


SINCE_EVER = "range(start: 0, stop: v.timeRangeStop)"


def chosen(name: str) -> str:
    """A string of Flux: what is chosen of a dashboard variable, and nothing but a string whatever an address says.

    >>> print(chosen("patient"))
    "${patient:percentencode}"
    """
    return f'"${{{name}:percentencode}}"'


def points(
    measurement: str,
    *variables: str,
    field: str = "",
    fields: tuple[str, ...] = (),
    time_range: str = RANGE,
    rule: str = "",
) -> str:
    """Points whose tags equal the dashboard variables of the same names: of one field, or pivoted of ``fields`` or all.

    Those that were withdrawn are left out. ``rule`` names the rule of alerts.
    """
    asked = (field,) if field else fields
    revised = measurement in REVISED
    if asked and revised:
        asked = (*asked, "withdrawn")
    wanted = " or ".join(f'r._field == "{name}"' for name in asked)
    shown = [_PIVOT] if revised or not field else []
    if revised:
        shown.append(_STANDING)
    if revised and field:
        shown.append(f'|> filter(fn: (r) => exists r.{field})\n  |> rename(columns: {{{field}: "_value"}})')
    where = f'r._measurement == "{measurement}"{_with_tags(variables)}' + (f' and r.rule == "{rule}"' if rule else "")
    where += f" and ({wanted})" if wanted else ""
    return "\n  ".join(["from(bucket: v.defaultBucket)", f"|> {time_range}", f"|> filter(fn: (r) => {where})", *shown])


def _with_tags(variables: tuple[str, ...]) -> str:
    return "".join(f" and r.{_TAG_OF.get(name, name)} == {chosen(name)}" for name in variables)


def columns(names: dict[str, str], keep: tuple[str, ...] = ("_time",)) -> str:
    """Keep these columns only, under the names the reader sees."""
    kept = ", ".join(f'"{name}"' for name in (*keep, *names))
    renamed = ", ".join(f'{name}: "{shown}"' for name, shown in names.items() if name != shown)
    return f"|> keep(columns: [{kept}])" + (f"\n  |> rename(columns: {{{renamed}}})" if renamed else "")


def curves(measurement: str, names: dict[str, str], *variables: str) -> str:
    """Several fields of one series over time."""
    return f"{points(measurement, *variables)}\n  |> group()\n  {columns(names)}\n  {_SHOW_TIMES}"


LIMITED, HOLLOW = "beyond its limit", "hollow"
"""A measured value that is known only to lie below or above a limit, and what its dot is hollowed with."""


def measured(variable: str) -> str:
    """The measured values of an output that are known exactly."""
    return f"""{_predictions(variable)} and r.known == "exactly")
  |> keep(columns: ["_time", "observed"])
  |> rename(columns: {{observed: "measured"}})
  {_SHOW_TIMES}"""


def limited(variable: str) -> str:
    """The limits of those that are not."""
    return f"""{_predictions(variable)} and r.known != "exactly")
  |> map(fn: (r) => ({{_time: r._time, "{LIMITED}": r.limit, "{HOLLOW}": r.limit}}))
  {_SHOW_TIMES}"""


def _predictions(variable: str) -> str:
    """Points of what was measured of an output, and the beginning of which of them are meant."""
    rows = points("prediction", *ONE_PATIENT, variable, fields=("observed", "known", "limit"))
    return f"{rows}\n  |> group()\n  |> filter(fn: (r) => exists r.observed"


def curve_per(measurement: str, field: str, tag: str, name: str, *variables: str) -> str:
    """One field over time, a curve for each value of ``tag``."""
    return f"""{points(measurement, *variables, field=field)}
  |> group(columns: ["{tag}"])
  |> keep(columns: ["_time", "_value", "{tag}"])
  |> rename(columns: {{_value: "{name}"}})
  {_SHOW_TIMES}"""


def unit_of(measurement: str, *variables: str) -> str:
    """The unit of one series, as a table of one cell that sets the unit of a panel."""
    where = f'r._measurement == "{measurement}"{_with_tags(variables)}'
    return f"""from(bucket: v.defaultBucket)
  |> {RANGE}
  |> filter(fn: (r) => {where} and r._field == "{_NUMBER_OF.get(measurement, "median")}")
  |> last()
  |> group()
  |> limit(n: 1)
  |> keep(columns: ["unit"])"""


def forecast_issued_then() -> str:
    """The forecast of the time that is chosen, as it was published then."""
    names = {field: f"then {shown}" for field, shown in BANDS.items()}
    return f"""import "strings"

{points("forecast", *ONE_PATIENT, "output", time_range=SINCE_EVER)}
  |> group()
  |> filter(fn: (r) => {_ISSUED_TEXT} == {chosen("issued")})
  {_AT_MILLIS}
  |> sort(columns: ["_time", "rev"])
  |> unique(column: "_time")
  {columns(names)}"""


def issue_times() -> str:
    """When forecasts were issued, the newest first: times without colons, which an address would write otherwise."""
    return f"""import "strings"

{points("issued", *ONE_PATIENT)}
  |> group()
  |> map(fn: (r) => ({{issued: int(v: r._time)}}))
  |> sort(columns: ["issued"], desc: true)
  |> limit(n: 200)
  |> map(fn: (r) => ({{_value: {_ISSUED_TEXT}}}))"""


def bands_as_published() -> str:
    """Quantiles of an output as they were published first, whatever became known later."""
    names = {field: f"then {shown}" for field, shown in BANDS.items()}
    return f"""{points("estimate_published", *ONE_PATIENT, "output")}
  |> group()
  {_AT_MILLIS}
  |> sort(columns: ["_time", "rev"])
  |> unique(column: "_time")
  {columns(names)}"""


def latest_forecast(output: str = "output") -> str:
    """The newest forecast that stands of the output that a variable chooses, in the words that stand, and no older one:
    their points lie between its own."""
    names = {field: f"ahead {shown}" for field, shown in BANDS.items()}
    return f"""newest = {points("issued", *ONE_PATIENT, time_range=SINCE_EVER)}
  |> group()
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> map(fn: (r) => ({{issued: int(v: r._time), rev: r.rev}}))
issued = newest |> findColumn(fn: (key) => true, column: "issued")
rev = newest |> findColumn(fn: (key) => true, column: "rev")
begin = if length(arr: issued) > 0 then time(v: issued[0]) else v.timeRangeStart
{points("forecast", *ONE_PATIENT, output, time_range="range(start: begin, stop: v.timeRangeStop)")}
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


def latest_per(measurement: str, tag: str, names: dict[str, str], *variables: str) -> str:
    """A table: the newest point for each value of ``tag``."""
    return f"""{points(measurement, *variables)}
  |> group(columns: ["{tag}"])
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> group()
  {columns(names, keep=())}
  |> sort(columns: ["{names[tag]}"])"""


VALID_PLAN = f"""planned = {points("planned_dose", "patient", time_range=SINCE_EVER)}
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
    return f"""{VALID_PLAN}
  |> filter(fn: (r) => r.hours > 0.0)
begins = valid |> map(fn: (r) => ({{_time: time(v: r.begin), drug: r.drug, step: r.amount / r.hours}}))
ends = valid |> map(fn: (r) => ({{_time: time(v: r.end), drug: r.drug, step: -r.amount / r.hours}}))
{_summed("begins, ends", "planned")}"""


def planned_amount() -> str:
    """The planned cumulative amount per drug, rising over each infusion and at once where a dose is given at once."""
    return f"""{VALID_PLAN}
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


def latest_transitions(*variables: str, fields: tuple[str, ...] = (), time_range: str = RANGE, rule: str = "") -> str:
    """The newest transition of every alert, or of those of one rule, with these fields of it, or all, in one table."""
    asked = tuple(sorted({*fields, "alert_id", "revision"})) if fields else ()
    return f"""{points("alert", *variables, fields=asked, time_range=time_range, rule=rule)}
  |> group()
  |> sort(columns: ["revision"], desc: true)
  |> unique(column: "alert_id")"""


def standing_alerts(*variables: str, fields: tuple[str, ...] = (), rule: str = "") -> str:
    """The alerts that stand at the end of the time shown, whenever they were raised; one table of all."""
    whole = latest_transitions(*variables, fields=(*fields, "state"), time_range=SINCE_EVER, rule=rule)
    return f"{whole}\n  {ACTIVE}"


ACTIVE = "|> filter(fn: (r) => " + " or ".join(f'r.state == "{state}"' for state in sorted(LIVE)) + ")"
"""Of the newest transitions, those of alerts that still stand."""


def counted(rows: str, column: str, name: str) -> str:
    """How many rows have a ``column``, one table of them, as one number: zero where there is none."""
    return f"""import "array"

some = {rows}
  |> count(column: "{column}")
  |> map(fn: (r) => ({{"{name}": r.{column}}}))
union(tables: [some, array.from(rows: [{{"{name}": 0}}])])
  |> sum(column: "{name}")"""


def outputs(levels: bool) -> str:
    """The outputs of one patient that are levels of a drug, or those that are not, by their units."""
    matches = "=~" if levels else "!~"
    return f"""from(bucket: v.defaultBucket)
  |> {RANGE}
  |> filter(fn: (r) => r._measurement == "estimate"{_with_tags(ONE_PATIENT)} and r._field == "median")
  |> filter(fn: (r) => r.unit {matches} {_LEVEL})
  |> last()
  |> group()
  |> distinct(column: "output")
  |> sort()"""


def grade_lines() -> str:
    """The limits of grades 3 and 4 of an output that is graded (CTCAE 5.0), along the time shown."""
    limits = ",\n".join(
        f'  {{output: "{name}", grade3: {three.limit}, grade4: {four.limit}}}'
        for name in CRITERIA
        if (three := graded(name, 3, "5.0")) and (four := graded(name, 4, "5.0"))
    )
    return f"""import "array"

limits = array.from(rows: [
{limits},
])
  |> filter(fn: (r) => r.output == {chosen("output")})
at = (tables=<-, time) => tables |> map(fn: (r) => ({{_time: time, "grade 3": r.grade3, "grade 4": r.grade4}}))
union(tables: [limits |> at(time: v.timeRangeStart), limits |> at(time: v.timeRangeStop)])
  |> sort(columns: ["_time"])"""


def vital_readings() -> str:
    """The readings of the channel that is chosen, but for retracted ones."""
    return f"""{points("vital", "patient", "channel")}
  |> filter(fn: (r) => r.status != "retracted")
  |> group()
  |> aggregateWindow(every: v.windowPeriod, fn: mean, column: "value", createEmpty: false)
  |> keep(columns: ["_time", "value"])"""


def fever_line() -> str:
    """38 °C along the time shown where the channel that is chosen is a temperature, in its unit."""
    return f"""import "array"

array.from(rows: [
  {{channel: "body_temperature", _time: v.timeRangeStart, "fever, 38 °C": 38.0}},
  {{channel: "body_temperature", _time: v.timeRangeStop, "fever, 38 °C": 38.0}},
])
  |> filter(fn: (r) => r.channel == {chosen("channel")})
  |> drop(columns: ["channel"])"""


def values_of(tag: str, measurement: str, *variables: str) -> str:
    """The choices of a dashboard variable: the values of ``tag`` in the time shown."""
    tags = _with_tags(variables)
    return f"""import "influxdata/influxdb/schema"

schema.tagValues(
  bucket: v.defaultBucket,
  tag: "{tag}",
  predicate: (r) => r._measurement == "{measurement}"{tags},
  start: v.timeRangeStart,
  stop: v.timeRangeStop,
)"""
