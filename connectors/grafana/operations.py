"""The operations dashboard: whether the workers keep up, what stands still, what is refused. No patient is named."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.models import common

from connectors.grafana import flux, panels


def operations_dashboard() -> Dashboard:
    """The dashboard of workers, sinks and refusals."""
    about = "Partitions and their workers, and the sinks, as 'dosetwin sink operations' writes it."
    board = panels.board("Operations", "dosetwin-operations", about, "now-6h", "now")
    return _refusals(_sinks(_partitions(_now(board))))


def newest(field: str, how: str, name: str, measurement: str = "partition") -> str:
    """One number of the newest points of all partitions, or sinks, with the time of the query's end."""
    return f"""{flux.points(measurement, field=field)}
  |> group(columns: ["{measurement}"])
  |> last()
  |> group()
  |> {how}()
  |> map(fn: (r) => ({{_time: v.timeRangeStop, "{name}": r._value}}))"""


def over_time(measurement: str, field: str, name: str) -> str:
    """A curve of each partition, or sink: the worst of each window."""
    return f"""{flux.points(measurement, field=field)}
  |> aggregateWindow(every: v.windowPeriod, fn: max, createEmpty: false)
  |> group(columns: ["{measurement}"])
  |> keep(columns: ["_time", "_value", "{measurement}"])
  |> rename(columns: {{_value: "{name}"}})"""


def latest(measurement: str, names: dict[str, str]) -> str:
    """A table: the newest word of each partition, or sink."""
    wanted = " or ".join(f'r._field == "{name}"' for name in names)
    return f"""from(bucket: v.defaultBucket)
  |> {flux.RANGE}
  |> filter(fn: (r) => r._measurement == "{measurement}" and ({wanted}))
  |> last()
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  {flux.columns(names, keep=())}
  |> sort(columns: ["{names[measurement]}"])"""


def silence(name: str) -> str:
    """Seconds since the newest beat of the partition that is silent for longest."""
    return f"""{flux.points("partition", field="lag")}
  |> group(columns: ["partition"])
  |> last()
  |> map(fn: (r) => ({{_value: (int(v: v.timeRangeStop) - int(v: r._time)) / 1000000000}}))
  |> group()
  |> max()
  |> map(fn: (r) => ({{_time: v.timeRangeStop, "{name}": r._value}}))"""


def refused(name: str) -> str:
    """How many records were refused in the time shown, each once; a zero where there was none."""
    some = f"""{flux.points("rejected", field="position")}
  |> group(columns: ["_value"])
  |> first()
  |> group()"""
    return f"""{flux.counted(some, "_value", name)}
  |> map(fn: (r) => ({{_time: v.timeRangeStop, "{name}": r.{name}}}))"""


def _now(board: Dashboard) -> Dashboard:
    late, any_is_bad = (30, "orange"), ((None, "green"), (1, "red"))
    tiles = (
        ("Records waiting", "Input records that no twin has seen yet.", newest("lag", "sum", "records"), "none",
         ((None, "green"), (1_000, "orange"), (10_000, "red"))),
        ("Furthest behind", "Age of the newest record handled, where others wait.",
         newest("behind_seconds", "max", "behind"), "s", ((None, "green"), late, (60, "red"))),
        ("Longest silence", "Since the newest heartbeat of the most silent partition.",
         silence("silent"), "s", ((None, "green"), late, (60, "red"))),
        ("Stuck partitions", "What they handled is not made permanent.", newest("stuck", "sum", "partitions"), "none",
         any_is_bad),
        ("Sealed twins", "Twins that move no more; 'dosetwin doctor' names them.", newest("sealed", "sum", "twins"),
         "none", any_is_bad),
        ("Refused records", "In the time shown.", refused("records"), "none", any_is_bad),
        ("Sink furthest behind", "Age of the oldest record that a sink has not written.",
         newest("behind_seconds", "max", "behind", "sink"), "s", ((None, "green"), late, (300, "red"))),
        ("Records not written", "By all sinks together.", newest("lag", "sum", "records", "sink"), "none",
         ((None, "green"), (10_000, "orange"), (100_000, "red"))),
    )  # fmt: skip
    for title, description, query, unit, levels in tiles:
        board.with_panel(panels.tile(title, description, query, width=3, unit=unit, levels=levels))
    return board


def _partitions(board: Dashboard) -> Dashboard:
    waiting = panels.curves("Records waiting", "Of each partition.", over_time("partition", "lag", "records"))
    behind = panels.curves(
        "Behind", "Age of the newest record handled, where others wait.",
        over_time("partition", "behind_seconds", "behind"),
    ).unit("s")  # fmt: skip
    barrier = panels.curves(
        "Age of the last barrier", "A saw's teeth while events come; it grows where none do.",
        over_time("partition", "barrier_seconds", "barrier"),
    ).unit("s")  # fmt: skip
    names = {
        "partition": "partition",
        "worker": "worker",
        "state": "state",
        "lag": "records waiting",
        "_time": "last heartbeat",
    }
    table = panels.rows("Partitions", "The newest heartbeat of each.", latest("partition", names), width=12)
    panels.in_order(table, *names.values())
    panels.unit_of(table, "last heartbeat", "dateTimeAsIso")
    return (
        board.with_row(Row("Partitions")).with_panel(waiting).with_panel(behind).with_panel(barrier).with_panel(table)
    )


def _sinks(board: Dashboard) -> Dashboard:
    waiting = panels.curves("Records not written", "By each sink.", over_time("sink", "lag", "records"), width=8)
    behind = panels.curves(
        "Sinks behind", "Age of the oldest record that is not written.",
        over_time("sink", "behind_seconds", "behind"), width=8,
    ).unit("s")  # fmt: skip
    names = {"sink": "sink", "running": "running", "lag": "records not written", "_time": "looked at"}
    table = panels.rows("Sinks", "As the broker knows them.", latest("sink", names), width=8)
    panels.unit_of(table, "looked at", "dateTimeAsIso")
    panels.unit_of(table, "running", "bool_yes_no")
    return board.with_row(Row("Sinks")).with_panel(waiting).with_panel(behind).with_panel(table)


def _refusals(board: Dashboard) -> Dashboard:
    by_reason = panels.curves(
        "Records refused",
        "By reason, when they were.",
        f"""{flux.points("rejected", field="position")}
  |> group(columns: ["reason"])
  |> aggregateWindow(every: v.windowPeriod, fn: count, createEmpty: false)
  |> keep(columns: ["_time", "_value", "reason"])
  |> rename(columns: {{_value: "refused"}})""",
        width=24,
    )
    by_reason.draw_style(common.GraphDrawStyle.BARS).fill_opacity(60)
    return board.with_row(Row("Refusals")).with_panel(by_reason)
