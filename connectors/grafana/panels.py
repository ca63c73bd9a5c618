"""The kinds of panel the dashboards are made of: a fan of quantiles with its forecast, curves, tiles, tables."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import QueryVariable, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

INFLUX = DataSourceRef(type_val="influxdb", uid="dosetwin-influx")
"""The data source as `provisioning/datasources/influxdb.yaml` names it."""

NOW_COLOUR, AHEAD_COLOUR, MEASURED_COLOUR = "#3274D9", "#8F8F8F", "#E02F44"

ALL = VariableOption(selected=True, text=["All"], value=["$__all"])
"""Every value of a variable, chosen."""


class Flux(Builder[Dataquery]):
    """A Flux query of a panel; the package has no builder for InfluxDB."""

    def __init__(self, ref_id: str, query: str) -> None:
        self._query = _FluxQuery(ref_id, query)

    def build(self) -> Dataquery:
        return self._query


class _FluxQuery(Dataquery):
    def __init__(self, ref_id: str, query: str) -> None:
        self._ref_id, self._query = ref_id, query

    def to_json(self) -> dict[str, object]:
        return {"refId": self._ref_id, "query": self._query, "datasource": INFLUX}


def curves(title: str, description: str, *queries: str, width: int = 12, height: int = 8) -> timeseries.Panel:
    """Lines over time."""
    panel = timeseries.Panel().title(title).description(description).datasource(INFLUX).span(width).height(height)
    for letter, query in zip("ABCDEFG", queries, strict=False):
        panel.with_target(Flux(letter, query))
    return (
        panel.line_width(2)
        .fill_opacity(0)
        .show_points(common.VisibilityMode.NEVER)
        .span_nulls(True)
        .legend(common_builders.VizLegendOptions().show_legend(True).display_mode(common.LegendDisplayMode.LIST))
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )


def fan(panel: timeseries.Panel, prefix: str = "", colour: str = NOW_COLOUR, dashed: bool = False) -> timeseries.Panel:
    """Draw the curves named ``{prefix}5 %`` … ``{prefix}95 %`` as a 90 % and a 50 % band around the median."""
    for upper, lower, opacity in (("95 %", "5 %", 12), ("75 %", "25 %", 28)):
        edge = [_set("color", _fixed(colour)), _set("custom.lineWidth", 0), _out_of_legend()]
        filled = [_set("custom.fillBelowTo", prefix + lower), _set("custom.fillOpacity", opacity)]
        panel.override_by_name(prefix + upper, edge + filled)
        panel.override_by_name(prefix + lower, edge)
    line = [_set("color", _fixed(colour))]
    if dashed:
        line.append(_set("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}))
    return panel.override_by_regexp(f"/^{prefix}median/", line)


def dots(panel: timeseries.Panel, name: str, colour: str = MEASURED_COLOUR, size: int = 9) -> timeseries.Panel:
    """Draw the curve ``name`` as points."""
    properties = [
        _set("color", _fixed(colour)),
        _set("custom.drawStyle", "points"),
        _set("custom.pointSize", size),
        _set("custom.showPoints", "always"),
    ]
    return panel.override_by_name(name, properties)


def dashed(panel: timeseries.Panel, pattern: str, colour: str, steps: bool = False) -> timeseries.Panel:
    """Draw the curves whose names match ``pattern`` as dashed lines of one colour."""
    properties = [
        _set("color", _fixed(colour)),
        _set("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
        _set("custom.lineWidth", 1),
    ]
    if steps:
        properties.append(_set("custom.lineInterpolation", "stepAfter"))
    return panel.override_by_regexp(pattern, properties)


def tile(title: str, description: str, query: str, width: int = 4, unit: str = "none") -> stat.Panel:
    """The newest numbers, large."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(INFLUX)
        .span(width)
        .height(4)
        .with_target(Flux("A", query))
        .unit(unit)
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )


def rows(title: str, description: str, *queries: str, width: int = 24, height: int = 8) -> table.Panel:
    """A table; several queries are joined where their shared columns agree."""
    panel = table.Panel().title(title).description(description).datasource(INFLUX).span(width).height(height)
    for letter, query in zip("ABCDEFG", queries, strict=False):
        panel.with_target(Flux(letter, query))
    if len(queries) > 1:
        panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    return panel.filterable(True)


def unit_of(panel: Any, column: str, unit: str, decimals: int | None = None) -> Any:
    """Show a column in a Grafana unit, e.g. ``percentunit`` or ``dateTimeAsIso``."""
    properties = [_set("unit", unit)] + ([] if decimals is None else [_set("decimals", decimals)])
    return panel.override_by_name(column, properties)


def linked(panel: table.Panel, column: str, address: str, title: str) -> table.Panel:
    """Make the cells of a column lead somewhere."""
    return panel.override_by_name(column, [_set("links", [{"title": title, "url": address}])])


def steps(*levels: tuple[float | None, str]) -> ThresholdsConfig:
    """Colours from each level up; the first level is None."""
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=level, color=colour) for level, colour in levels])
    )


def choice(name: str, label: str, query: str) -> QueryVariable:
    """A dashboard variable whose values come from the points."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(INFLUX)
        .query({"query": query, "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
    )


def _set(name: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=name, value=value)


def _fixed(colour: str) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": colour}


def _out_of_legend() -> DynamicConfigValue:
    return _set("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False})
