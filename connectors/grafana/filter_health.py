"""The filter-health dashboard: whether the particles carry the posterior, and whether the models foresee what comes.

By model, over all patients; no patient is named.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard

from connectors.grafana import every_patient, flux, panels


def filter_dashboard() -> Dashboard:
    """The dashboard of all twins' filters."""
    about = "Effective particles, log evidence, surprise and age of the twins, by model."
    board = panels.board("Filter health", "dosetwin-filter", about, "now-30d", "now+1d")
    ess = every_patient.in_windows("health", "ess")
    evidence = f"""{every_patient.in_windows("health", "log_evidence", "observations")}
  |> filter(fn: (r) => r.observations > 0.0)
  |> map(fn: (r) => ({{_time: r._time, model: r.model, evidence: r.log_evidence / r.observations}}))"""
    surprise = f"""{every_patient.standing("prediction", "innovation")}
  |> map(fn: (r) => ({{_time: r._time, model: r.model, size: math.abs(x: r.innovation)}}))"""
    outside = f"""{every_patient.standing("prediction", "pit")}
  |> map(fn: (r) => ({{
    _time: r._time, model: r.model, outside: if r.pit < 0.05 or r.pit > 0.95 then 1.0 else 0.0
  }}))"""
    names = "Effective particles, median", "Effective particles, lowest twentieth"
    board.with_panel(_curve(names[0], "Of the twins of a model.", ess, "ess", _quantile(0.5), "median"))
    board.with_panel(_curve(names[1], "One twin in twenty has fewer.", ess, "ess", _quantile(0.05), "5 %"))
    falls = "Mean; a fall says that the model explains less."
    board.with_panel(_curve("Log evidence of an observation", falls, evidence, "evidence", "mean", "log evidence"))
    sized = "Mean size of the innovations, in their own SD: 0.8 while the model holds."
    board.with_panel(_curve("Surprise", sized, surprise, "size", "mean", "innovation"))
    tenth = "One in ten while the model holds."
    share = _curve("Measured outside the 90 % band", tenth, outside, "outside", "mean", "outside")
    board.with_panel(share.unit("percentunit"))
    weights = panels.curves(
        "Weights of rival models",
        "Mean over the twins that average models.",
        f"""{flux.points("model_weight", field="weight")}
  |> group(columns: ["rival"])
  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)
  |> keep(columns: ["_time", "_value", "rival"])
  |> rename(columns: {{_value: "weight"}})""",
    )
    board.with_panel(weights.unit("percentunit").min(0).max(1))
    classes = panels.curves(
        "Classes that nobody sees",
        "Mean over the twins of a model with a mixture: near the shares in its file while they hold here.",
        f"""{flux.points("class_probability", field="probability")}
  |> group(columns: ["model", "class"])
  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)
  |> keep(columns: ["_time", "_value", "model", "class"])
  |> rename(columns: {{_value: "probability"}})""",
    )
    board.with_panel(classes.unit("percentunit").min(0).max(1))
    gain = f"""{every_patient.standing("prediction", "observed", "median", "population_median")}
  |> filter(fn: (r) => r.observed > 0.0 and r.median > 0.0 and r.population_median > 0.0)
  |> map(fn: (r) => ({{_time: r._time, model: r.model,
    own: math.abs(x: math.log(x: r.observed / r.median)),
    population: math.abs(x: math.log(x: r.observed / r.population_median))}}))"""
    errors = panels.curves(
        "Error of the patient's own median and of the population's",
        "Mean absolute log error of what was measured: the twin learns while its own is smaller.",
        *(_summed(gain, column, "mean", column) for column in ("own", "population")),
    )
    board.with_panel(errors)
    ages = panels.rows("Twins", "How long ago they spoke last.", _ages(), width=12)
    for column in ("median age", "greatest age"):
        panels.unit_of(ages, column, "h", 1)
    return board.with_panel(ages)


def lowest_ess() -> str:
    """Of each model the twentieth part of its twins with the fewest effective particles, by their newest estimate."""
    return f"""{every_patient.newest("health", "ess")}
  |> group(columns: ["model"])
  |> quantile(q: 0.05, column: "ess")
  |> map(fn: (r) => ({{_time: v.timeRangeStop, model: r.model, _value: r.ess}}))"""


def _quantile(q: float) -> str:
    return f"(column, tables=<-) => tables |> quantile(q: {q}, column: column)"


def _curve(title: str, description: str, rows: str, column: str, how: str, name: str) -> timeseries.Panel:
    return panels.curves(title, description, _summed(rows, column, how, name))


def _summed(rows: str, column: str, how: str, name: str) -> str:
    """A ``column`` of ``rows``, of which there is a table for each model, in one number for each window."""
    renamed = "" if column == name else f'\n  |> rename(columns: {{{column}: "{name}"}})'
    return f"""import "math"

{every_patient.EVERY}
{rows}
  |> aggregateWindow(every: every, fn: {how}, column: "{column}", createEmpty: false)
  |> keep(columns: ["_time", "{column}", "model"]){renamed}"""


def _ages() -> str:
    return f"""newest = {every_patient.last_spoken("health")}
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
