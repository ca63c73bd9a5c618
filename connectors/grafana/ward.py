"""The ward dashboard: who needs a look first, what is silent, what was refused."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import bargauge, histogram
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.models import common

from connectors.grafana import every_patient, flux, marks, panels

_OF_COURSES = {"exposure below": "p_below", "exposure above": "p_above"}
_COLUMNS = ("p grade 4", *_OF_COURSES, "particles", "last estimate", "last measured")
"""Columns of the table of patients, from left to right."""


def ward_dashboard() -> Dashboard:
    """The dashboard of all patients."""
    about = "All patients: who needs a look first, alerts that stand, silence, refused events."
    board = marks.marked(panels.board("Ward", "dosetwin-ward", about, "now-30d", "now+1d"))
    return _trouble(_alerts(_patients(_now(board))))


def _now(board: Dashboard) -> Dashboard:
    patients = f"""{every_patient.last_spoken("health")}
  |> group()
  |> distinct(column: "patient")
  |> count()
  |> rename(columns: {{_value: "patients"}})"""
    active = flux.counted(flux.standing_alerts(fields=("state",)), "alert_id", "active")
    silent = flux.counted(
        f"""{flux.standing_alerts(fields=("state",), rule="data.dropout")}
  |> unique(column: "patient")""",
        "alert_id",
        "patients",
    )
    refused = flux.counted(f"{_refused()}\n  |> group()", "_value", "events")
    trouble: panels.Levels = ((None, "green"), (1, "red"))
    return (
        board.with_panel(panels.tile("Patients", "With a twin in the time shown.", patients, width=6))
        .with_panel(panels.tile("Active alerts", "Begun and not over.", active, width=6, levels=trouble))
        .with_panel(panels.tile("Silent patients", "With an active dropout.", silent, width=6, levels=trouble))
        .with_panel(panels.tile("Refused events", "Dead letters.", refused, width=6, levels=trouble))
    )


def _patients(board: Dashboard) -> Dashboard:
    when = "float(v: int(v: r._time)) / 1000000.0"
    readings = ",\n".join([
        _told("p grade 4", every_patient.newest("nadir", "p_grade4"), "r.p_grade4"),
        _told("particles", "health", "r.ess"),
        _told("last estimate", "health", when),
        *(_told(name, "courses", f"r.{field}", field) for name, field in _OF_COURSES.items()),
        _told("last measured", every_patient.last_spoken("prediction"), when),
    ])  # fmt: skip
    numbers = f"""courses = {every_patient.newest("exposure", *_OF_COURSES.values())}
health = {every_patient.newest("health", "ess")}
union(tables: [
{readings},
])
  |> group(columns: ["patient", "model"])
  |> pivot(rowKey: ["patient", "model"], columnKey: ["column"], valueColumn: "_value")
  |> group()
  |> sort(columns: ["patient"])"""
    words = f"""{flux.latest_transitions(fields=("state", "severity"))}
  |> group(columns: ["patient", "model"])
  |> sort(columns: ["_time"])
  |> tail(n: 1)
  |> group()
  |> keep(columns: ["patient", "model", "rule", "subject", "state", "severity"])
  |> rename(columns: {{rule: "latest alert", subject: "about"}})"""
    table = panels.rows(
        "Patients", "Newest word on each, by risk; a click opens the patient.", numbers, words, height=12
    )
    for name in ("p grade 4", "exposure below", "exposure above"):
        panels.unit_of(table, name, "percentunit", 0)
        panels.coloured(table, name, panels.RISK)
    for name in ("last estimate", "last measured"):
        panels.unit_of(table, name, "dateTimeAsIso")
    panels.unit_of(table, "particles", "none", 0)
    panels.in_order(table, "patient", *_COLUMNS, "latest alert", "about", "state", "severity", "model")
    table.sort_by([common_builders.TableSortByFieldState().display_name("p grade 4").desc(True)])
    return board.with_panel(panels.linked(table, "patient", _whose("&var-model=${__data.fields.model}")))


def _whose(more: str = "") -> dict[str, str]:
    """Where a patient's name leads."""
    address = f"/d/dosetwin-patient?var-patient=${{__value.raw}}{more}&${{__url_time_range}}"
    return {
        "Open the patient": address,
        "Open the patient in the console": panels.CONSOLE + panels.PATIENT_PAGE + "${__value.raw}",
    }


def _told(name: str, rows: str, shown: str, field: str = "") -> str:
    """``rows`` as cells of the column of that name; those without a ``field`` have none."""
    there = f" |> filter(fn: (r) => exists r.{field})" if field else ""
    return f"""  {rows}{there}
  |> map(fn: (r) => ({{patient: r.patient, model: r.model, column: "{name}", _value: {shown}}}))"""


def _worklist() -> Any:
    """Alerts that stand, the gravest and the oldest first."""
    fields = ("severity", "onset", "probability", "text", "advice", "handled_by")
    columns = (
        "since",
        "patient",
        "rule",
        "subject",
        "severity",
        "state",
        "probability",
        "text",
        "advice",
        "handled_by",
    )
    grave = 'if r.severity == "high" then 0 else if r.severity == "medium" then 1 else 2'
    kept = ", ".join(f'"{name}"' for name in columns)
    table = panels.rows(
        "Worklist", "Alerts that stand.",
        f"""{flux.standing_alerts(fields=fields)}
  |> map(fn: (r) => ({{r with since: time(v: r.onset), grave: {grave}}}))
  |> sort(columns: ["grave", "since"])
  |> keep(columns: [{kept}])""",
        height=10,
    )  # fmt: skip
    panels.unit_of(table, "probability", "percentunit", 0)
    panels.in_order(table, *columns)
    return panels.linked(table, "patient", _whose())


def _alerts(board: Dashboard) -> Dashboard:
    per_rule = """|> group(columns: ["rule"])
  |> count(column: "alert_id")
  |> group()
  |> keep(columns: ["rule", "alert_id"])
  |> rename(columns: {alert_id: "alerts"})
  |> sort(columns: ["rule"])"""
    every = flux.latest_transitions(fields=("state",))
    total = panels.rows("Alerts by rule", "Each alert once.", f"{every}\n  {per_rule}", width=6)
    active = panels.rows(
        "Active alerts by rule", "Not over.", f"{flux.standing_alerts(fields=('state',))}\n  {per_rule}", width=6
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
    board.with_row(Row("Alerts")).with_panel(_worklist())
    return board.with_panel(total).with_panel(active).with_panel(raised)


def _trouble(board: Dashboard) -> Dashboard:
    silent = panels.rows(
        "Dropouts",
        "Active dropouts: since when nothing was heard.",
        f"""{flux.standing_alerts(fields=("onset", "freshness_hours", "text"), rule="data.dropout")}
  |> map(fn: (r) => ({{r with since: time(v: r.onset)}}))
  |> keep(columns: ["patient", "subject", "since", "freshness_hours", "text"])
  |> rename(columns: {{subject: "device"}})
  |> sort(columns: ["since"])""",
        width=12,
    )
    panels.unit_of(silent, "freshness_hours", "h", 1)
    age = f"""{every_patient.last_spoken("prediction")}
  |> map(fn: (r) => ({{patient: r.patient, "hours": float(v: int(v: now()) - int(v: r._time)) / 3600000000000.0}}))
  |> group()
  |> sort(columns: ["hours"], desc: true)"""
    freshness = (
        bargauge.Panel()
        .title("Age of the newest measured value")
        .description("Hours since a patient's newest measured value.")
        .datasource(panels.INFLUX)
        .span(12)
        .height(8)
        .with_target(panels.Flux("A", age))
        .unit("h")
        .orientation(common.VizOrientation.HORIZONTAL)
        .reduce_options(common_builders.ReduceDataOptions().values(True).limit(200))
        .thresholds(panels.steps((None, "green"), (72, "orange"), (168, "red")))
        .mappings([panels.NO_DATA])
    )
    reasons = panels.rows(
        "Refused events by reason",
        "Each original record once.",
        f"""{_refused()}
  |> group(columns: ["reason", "topic"])
  |> count()
  |> group()
  |> keep(columns: ["reason", "topic", "_value"])
  |> rename(columns: {{_value: "events"}})
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
                f"""{every_patient.standing("prediction", "pit")}
  |> group()
  |> map(fn: (r) => ({{_time: r._time, PIT: r.pit * 100.0}}))""",
            )
        )
        .unit("percent")
        .bucket_size(10)
    )
    board.with_row(Row("Silence, refusals, calibration")).with_panel(silent).with_panel(freshness)
    return board.with_panel(reasons).with_panel(pit)


def _refused() -> str:
    """Dead letters, one row for each original record however often it was refused."""
    return f"""{flux.points("rejected", field="position")}
  |> group(columns: ["reason", "topic", "_value"])
  |> first()"""
