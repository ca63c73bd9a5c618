"""The ward dashboard: who needs a look first, what is silent, what was refused."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, histogram
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.models import common

from connectors.grafana import flux, panels

_NEWEST = """|> group(columns: ["patient", "model"])
  |> last()"""

LOOKED_AT = 50
"""Newest points of a patient that are looked at for the newest that stands: more were never withdrawn in a row."""

_PATIENTS = {
    "p grade 4": ("nadir", "p_grade4", "r._value"),
    "exposure below": ("exposure", "p_below", "r._value"),
    "exposure above": ("exposure", "p_above", "r._value"),
    "particles": ("health", "ess", "r._value"),
    "last estimate": ("health", "ess", "float(v: int(v: r._time)) / 1000000.0"),
    "last measured": ("prediction", "observed", "float(v: int(v: r._time)) / 1000000.0"),
}
"""Columns of the table of patients: measurement, field, and what is shown of its newest point."""


def ward_dashboard() -> Dashboard:
    """The dashboard of all patients."""
    board = (
        Dashboard("Ward")
        .uid("dosetwin-ward")
        .description("All patients: newest probabilities and alerts, silence, refused events.")
        .tags(["dosetwin"])
        .timezone("utc")
        .time("now-30d", "now+1d")
        .refresh("10s")
        .readonly()
    )
    return _trouble(_alerts(_patients(_now(board))))


def _now(board: Dashboard) -> Dashboard:
    patients = f"""{flux.points("health", field="ess")}
  |> group()
  |> distinct(column: "patient")
  |> count()
  |> rename(columns: {{_value: "patients"}})"""
    active = f"""{flux.latest_transitions()}
  {flux.ACTIVE}
  |> count(column: "alert_id")
  |> rename(columns: {{alert_id: "active"}})"""
    silent = f"""{flux.latest_transitions()}
  {flux.ACTIVE}
  |> filter(fn: (r) => r.rule == "data.dropout")
  |> distinct(column: "patient")
  |> count()
  |> rename(columns: {{_value: "patients"}})"""
    refused = f"""{_refused()}
  |> group()
  |> count(column: "position")
  |> rename(columns: {{position: "events"}})"""
    trouble = panels.steps((None, "green"), (1, "red"))
    return (
        board.with_panel(panels.tile("Patients", "With a twin in the time shown.", patients, width=6))
        .with_panel(panels.tile("Active alerts", "Begun and not over.", active, width=6).thresholds(trouble))
        .with_panel(panels.tile("Silent patients", "With an active dropout.", silent, width=6).thresholds(trouble))
        .with_panel(panels.tile("Refused events", "Dead letters.", refused, width=6).thresholds(trouble))
    )


def _patients(board: Dashboard) -> Dashboard:
    readings = ",\n".join(
        f"""  {flux.points(measurement, field=field, newest=LOOKED_AT)}
  {_NEWEST}
  |> map(fn: (r) => ({{patient: r.patient, model: r.model, column: "{name}", _value: {shown}}}))"""
        for name, (measurement, field, shown) in _PATIENTS.items()
    )
    numbers = f"""union(tables: [
{readings},
])
  |> group(columns: ["patient", "model"])
  |> pivot(rowKey: ["patient", "model"], columnKey: ["column"], valueColumn: "_value")
  |> group()
  |> sort(columns: ["patient"])"""
    words = f"""{flux.latest_transitions()}
  |> group(columns: ["patient", "model"])
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> group()
  |> keep(columns: ["patient", "model", "rule", "subject", "state", "severity"])
  |> rename(columns: {{rule: "latest alert", subject: "about"}})"""
    table = panels.rows("Patients", "Newest word on each; a click opens the patient.", numbers, words, height=12)
    for name in ("p grade 4", "exposure below", "exposure above"):
        panels.unit_of(table, name, "percentunit", 0)
    for name in ("last estimate", "last measured"):
        panels.unit_of(table, name, "dateTimeAsIso")
    panels.unit_of(table, "particles", "none", 0)
    address = "/d/dosetwin-patient?var-patient=${__value.raw}&${__url_time_range}"
    return board.with_panel(panels.linked(table, "patient", address, "Open the patient"))


def _alerts(board: Dashboard) -> Dashboard:
    per_rule = """|> group(columns: ["rule"])
  |> count(column: "alert_id")
  |> group()
  |> keep(columns: ["rule", "alert_id"])
  |> rename(columns: {alert_id: "alerts"})
  |> sort(columns: ["rule"])"""
    total = panels.rows("Alerts by rule", "Each alert once.", f"{flux.latest_transitions()}\n  {per_rule}", width=6)
    active = panels.rows(
        "Active alerts by rule", "Not over.", f"{flux.latest_transitions()}\n  {flux.ACTIVE}\n  {per_rule}", width=6
    )
    raised = panels.curves(
        "New alerts",
        "By rule, at the event time at which they began.",
        f"""{flux.points("alert", field="phase")}
  |> filter(fn: (r) => r._value == "start")
  |> group(columns: ["rule"])
  |> aggregateWindow(every: v.windowPeriod, fn: count, createEmpty: false)
  |> keep(columns: ["_time", "_value", "rule"])
  |> rename(columns: {{_value: "new"}})""",
    )
    raised.draw_style(common.GraphDrawStyle.BARS).fill_opacity(60)
    return board.with_row(Row("Alerts")).with_panel(total).with_panel(active).with_panel(raised)


def _trouble(board: Dashboard) -> Dashboard:
    silent = panels.rows(
        "Dropouts",
        "Active dropouts: since when nothing was heard.",
        f"""{flux.latest_transitions()}
  {flux.ACTIVE}
  |> filter(fn: (r) => r.rule == "data.dropout")
  |> map(fn: (r) => ({{r with since: time(v: r.onset)}}))
  |> keep(columns: ["patient", "subject", "since", "freshness_hours", "text"])
  |> rename(columns: {{subject: "device"}})
  |> sort(columns: ["since"])""",
        width=12,
    )
    panels.unit_of(silent, "freshness_hours", "h", 1)
    age = f"""told = {flux.points("prediction", field="observed", newest=LOOKED_AT)}
  {_NEWEST}
  |> map(fn: (r) => ({{patient: r.patient, model: r.model, told: int(v: r._time)}}))
said = {flux.points("health", field="ess", newest=LOOKED_AT)}
  {_NEWEST}
  |> map(fn: (r) => ({{patient: r.patient, model: r.model, said: int(v: r._time)}}))
join(tables: {{told: told, said: said}}, on: ["patient", "model"])
  |> group()
  |> map(fn: (r) => ({{patient: r.patient, "hours": float(v: r.said - r.told) / 3600000000000.0}}))
  |> sort(columns: ["hours"], desc: true)"""
    freshness = (
        bargauge.Panel()
        .title("Age of the newest measured value")
        .description("Hours between a patient's newest measured value and newest estimate.")
        .datasource(panels.INFLUX)
        .span(12)
        .height(8)
        .with_target(panels.Flux("A", age))
        .unit("h")
        .orientation(common.VizOrientation.HORIZONTAL)
        .reduce_options(common_builders.ReduceDataOptions().values(True).limit(200))
        .thresholds(panels.steps((None, "green"), (72, "orange"), (168, "red")))
    )
    reasons = panels.rows(
        "Refused events by reason",
        "Each original record once.",
        f"""{_refused()}
  |> group(columns: ["reason", "topic"])
  |> count(column: "position")
  |> group()
  |> keep(columns: ["reason", "topic", "position"])
  |> rename(columns: {{position: "events"}})
  |> sort(columns: ["events"], desc: true)""",
        width=12,
    )
    pit = (
        histogram.Panel()
        .title("Calibration: PIT of all measured values")
        .description("Flat while the models describe the ward; in per cent.")
        .datasource(panels.INFLUX)
        .span(12)
        .height(8)
        .with_target(
            panels.Flux(
                "A",
                f"""{flux.points("prediction", field="pit")}
  |> group()
  |> map(fn: (r) => ({{_time: r._time, PIT: r._value * 100.0}}))""",
            )
        )
        .unit("percent")
        .bucket_size(10)
    )
    board.with_row(Row("Silence, refusals, calibration")).with_panel(silent).with_panel(freshness)
    return board.with_panel(reasons).with_panel(pit)


def _refused() -> str:
    """Dead letters, one row for each original record however often it was refused."""
    return f"""{flux.points("rejected")}
  |> group(columns: ["reason", "topic", "position"])
  |> first(column: "position")"""
