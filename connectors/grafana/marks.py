"""What happened, as marks on every curve of a board: alerts, doses, and now."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery, Dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import AnnotationTarget

from connectors.grafana import flux, panels


class _Query(AnnotationTarget, Builder[AnnotationTarget]):
    """A Flux query of marks; the package knows those of Grafana's own only."""

    def __init__(self, query: str) -> None:
        super().__init__()
        self._query = query

    def build(self) -> AnnotationTarget:
        return self

    def to_json(self) -> dict[str, object]:
        return {"refId": "marks", "query": self._query, "datasource": panels.INFLUX}


def marked(board: Dashboard, *variables: str) -> Dashboard:
    """Mark alerts, doses of one patient where ``variables`` choose one, and now."""
    marks = {"Alerts": ("red", _alerts(*variables)), "Now": ("blue", _now())}
    if variables:
        marks["Planned doses"] = ("purple", _doses())
    for name, (colour, query) in marks.items():
        one = AnnotationQuery().name(name).datasource(panels.INFLUX).icon_color(colour).enable(True)
        board.annotation(one.target(_Query(query)))
    return board


def _alerts(*variables: str) -> str:
    who = "" if variables else 'r.patient + ": " + '
    return f"""{flux.points("alert", *variables, fields=("phase", "severity"))}
  |> filter(fn: (r) => r.phase == "start" or r.phase == "end")
  |> group()
  |> map(fn: (r) => ({{time: r._time, text: {who}r.rule + " " + r.phase, tags: r.severity}}))
  |> sort(columns: ["time"])"""


def _doses() -> str:
    return f"""{flux.VALID_PLAN}
valid
  |> group()
  |> map(fn: (r) => ({{
    time: time(v: r.begin), timeEnd: time(v: r.end), text: r.drug + " " + string(v: r.amount) + " mg"
  }}))
  |> sort(columns: ["time"])"""


def _now() -> str:
    return """import "array"

array.from(rows: [{time: now(), text: "now"}])"""
