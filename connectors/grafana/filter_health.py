"""The filter-health dashboard: whether the particles carry the posterior, and whether the models foresee what comes.

By model, over all patients; no patient is named.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard

from connectors.grafana import flux, panels
from connectors.grafana.ward import LOOKED_AT


def filter_dashboard() -> Dashboard:
    """The dashboard of all twins' filters."""
    board = (
        Dashboard("Filter health")
        .uid("dosetwin-filter")
        .description("Effective particles, log evidence, surprise and age of the twins, by model.")
        .tags(["dosetwin"])
        .timezone("utc")
        .time("now-30d", "now+1d")
        .refresh("1m")
        .readonly()
    )
    ess = flux.points("health", field="ess")
    evidence = f"""{flux.points("health")}
  |> filter(fn: (r) => exists r.observations and r.observations > 0.0)
  |> map(fn: (r) => ({{r with _value: r.log_evidence / r.observations}}))"""
    surprise = f"""{flux.points("prediction", field="innovation")}
  |> map(fn: (r) => ({{r with _value: math.abs(x: r._value)}}))"""
    outside = f"""{flux.points("prediction", field="pit")}
  |> map(fn: (r) => ({{r with _value: if r._value < 0.05 or r._value > 0.95 then 1.0 else 0.0}}))"""
    names = "Effective particles, median", "Effective particles, lowest twentieth"
    board.with_panel(_curve(names[0], "Of the twins of a model.", ess, _quantile(0.5), "median"))
    board.with_panel(_curve(names[1], "One twin in twenty has fewer.", ess, _quantile(0.05), "5 %"))
    falls = "Mean; a fall says that the model explains less."
    board.with_panel(_curve("Log evidence of an observation", falls, evidence, "mean", "log evidence"))
    sized = "Mean size of the innovations, in their own SD: 0.8 while the model holds."
    board.with_panel(_curve("Surprise", sized, f'import "math"\n\n{surprise}', "mean", "innovation"))
    tenth = _curve("Measured outside the 90 % band", "One in ten while the model holds.", outside, "mean", "outside")
    board.with_panel(tenth.unit("percentunit"))
    ages = panels.rows("Twins", "How long ago they spoke last.", _ages(), width=12)
    for column in ("median age", "greatest age"):
        panels.unit_of(ages, column, "h", 1)
    return board.with_panel(ages)


def lowest_ess() -> str:
    """Of each model the twentieth part of its twins with the fewest effective particles, by their newest estimate."""
    return f"""{flux.points("health", field="ess", newest=LOOKED_AT)}
  |> group(columns: ["patient", "model"])
  |> last()
  |> group(columns: ["model"])
  |> quantile(q: 0.05)
  |> map(fn: (r) => ({{_time: v.timeRangeStop, model: r.model, _value: r._value}}))"""


def _quantile(q: float) -> str:
    return f"(column, tables=<-) => tables |> quantile(q: {q}, column: column)"


def _curve(title: str, description: str, rows: str, how: str, name: str) -> timeseries.Panel:
    query = f"""{rows}
  |> group(columns: ["model"])
  |> aggregateWindow(every: v.windowPeriod, fn: {how}, createEmpty: false)
  |> keep(columns: ["_time", "_value", "model"])
  |> rename(columns: {{_value: "{name}"}})"""
    return panels.curves(title, description, query)


def _ages() -> str:
    return f"""newest = {flux.points("health", field="ess", newest=LOOKED_AT)}
  |> group(columns: ["patient", "model"])
  |> last()
  |> map(fn: (r) => ({{model: r.model, _value: float(v: int(v: now()) - int(v: r._time)) / 3600000000000.0}}))
  |> group(columns: ["model"])
told = (tables=<-, name) => tables |> map(fn: (r) => ({{model: r.model, column: name, _value: float(v: r._value)}}))
union(tables: [
  newest |> count() |> told(name: "twins"),
  newest |> median() |> told(name: "median age"),
  newest |> max() |> told(name: "greatest age"),
])
  |> group()
  |> pivot(rowKey: ["model"], columnKey: ["column"], valueColumn: "_value")
  |> sort(columns: ["model"])"""
