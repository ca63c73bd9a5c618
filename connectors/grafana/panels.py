"""The kinds of panel the dashboards are made of: a fan of quantiles with its forecast, curves, tiles, tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, QueryVariable, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DashboardSpecialValueMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMappingResult,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

INFLUX = DataSourceRef(type_val="influxdb", uid="dosetwin-influx")
"""The data source as `provisioning/datasources/influxdb.yaml` names it."""

NOW_COLOUR, AHEAD_COLOUR, MEASURED_COLOUR = "#3274D9", "#8F8F8F", "#E02F44"

PLAIN = ((None, "text"),)
"""Levels of a number that is neither good nor bad."""

RISK = ((None, "green"), (0.2, "orange"), (0.5, "red"))
"""Levels of a probability of harm."""

NO_DATA = SpecialValueMap(
    options=DashboardSpecialValueMapOptions(
        match=SpecialValueMatch.NULL_AND_NAN, result=ValueMappingResult(text="no data", color="#8F8F8F")
    )
)
"""No value has no colour of a good one."""

Levels = tuple[tuple[float | None, str], ...]
"""Colours from each level up; the first level is None."""

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
    panel.thresholds(steps(*PLAIN))
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


def dots(
    panel: timeseries.Panel, name: str, colour: str = MEASURED_COLOUR, size: int = 9, *, named: bool = True
) -> timeseries.Panel:
    """Draw the curve ``name`` as points; one that is not ``named`` stands neither in the legend nor in the tooltip."""
    hidden = _set("custom.hideFrom", {"legend": True, "tooltip": True, "viz": False})
    properties = [
        *([] if named else [hidden]),
        _set("color", _fixed(colour)),
        _set("custom.drawStyle", "points"),
        _set("custom.pointSize", size),
        _set("custom.showPoints", "always"),
    ]
    return panel.override_by_name(name, properties)


def rings(panel: timeseries.Panel, name: str, hollow: str, colour: str = MEASURED_COLOUR) -> timeseries.Panel:
    """Draw the curve ``name`` as hollow points. Grafana fills every point in the colour of its edge, so the curve
    ``hollow``, of the same values, is drawn on them in the colour of the panel, and stands nowhere else."""
    dots(panel, name, colour)
    return dots(panel, hollow, "panel-bg", size=5, named=False)


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


def with_unit(panel: Any, query: str) -> Any:
    """Show the numbers of a panel in the unit that a query finds: a table of one cell."""
    to_unit = {"configRefId": "U", "mappings": [{"fieldName": "unit", "handlerKey": "unit"}]}
    options = to_unit | {"applyTo": {"id": "byType", "options": "number"}}
    panel.with_target(Flux("U", query))
    return panel.with_transformation(DataTransformerConfig(id_val="configFromData", options=options))


def limits(panel: timeseries.Panel, *levels: tuple[float | None, str]) -> timeseries.Panel:
    """Draw levels as dashed lines; the first is None, and its colour that of nothing."""
    style = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
    return panel.thresholds(steps(*levels)).thresholds_style(style)


def logarithmic(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw what falls exponentially as a straight line."""
    scale = common_builders.ScaleDistributionConfig().type(common.ScaleDistribution.LOG).log(10)
    return panel.scale_distribution(scale)


def tile(
    title: str, description: str, query: str, width: int = 4, unit: str = "none", levels: Levels = PLAIN
) -> stat.Panel:
    """The newest numbers, large, in the colours of their levels."""
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
        .thresholds(steps(*levels))
        .mappings([NO_DATA])
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )


def rows(title: str, description: str, *queries: str, width: int = 24, height: int = 8) -> table.Panel:
    """A table; several queries are joined where their shared columns agree."""
    panel = table.Panel().title(title).description(description).datasource(INFLUX).span(width).height(height)
    panel.thresholds(steps(*PLAIN))
    for letter, query in zip("ABCDEFG", queries, strict=False):
        panel.with_target(Flux(letter, query))
    if len(queries) > 1:
        panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    return panel.filterable(True)


def unit_of(panel: Any, column: str, unit: str, decimals: int | None = None) -> Any:
    """Show a column in a Grafana unit, e.g. ``percentunit`` or ``dateTimeAsIso``."""
    properties = [_set("unit", unit)] + ([] if decimals is None else [_set("decimals", decimals)])
    return panel.override_by_name(column, properties)


def coloured(panel: Any, column: str, levels: Levels) -> Any:
    """Colour the text of a column of a table by its levels."""
    thresholds = {"mode": "absolute", "steps": [{"value": level, "color": colour} for level, colour in levels]}
    return panel.override_by_name(
        column, [_set("thresholds", thresholds), _set("custom.cellOptions", {"type": "color-text"})]
    )


def in_order(panel: table.Panel, *columns: str) -> table.Panel:
    """Show the columns of a table from left to right in this order, whatever the answer's own is."""
    order = {column: place for place, column in enumerate(columns)}
    options: dict[str, object] = {"indexByName": order, "excludeByName": {}, "renameByName": {}}
    return panel.with_transformation(DataTransformerConfig(id_val="organize", options=options))


def linked(panel: table.Panel, column: str, links: Mapping[str, str]) -> table.Panel:
    """Make the cells of a column lead somewhere: titles and addresses."""
    named = [
        {"title": title, "url": address, "targetBlank": not address.startswith("/")} for title, address in links.items()
    ]
    return panel.override_by_name(column, [_set("links", named)])


def steps(*levels: tuple[float | None, str]) -> ThresholdsConfig:
    """Colours from each level up; the first level is None."""
    return (
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=level, color=colour) for level, colour in levels])
    )


BOARDS_TAG = "dosetwin"

CONSOLE = "http://127.0.0.1:8500"
"""Where the console is for whoever reads a board on the machine itself."""


PATIENT_PAGE = "/#patient/"
"""What the console's address of a patient begins with: what follows, a pseudonym, never leaves the browser."""


def board(title: str, uid: str, description: str, begin: str, end: str, page: str = "") -> Dashboard:
    """A board that nobody changes by hand, linked with the others and a ``page`` of the console, drawn each minute."""
    others = DashboardLink("dosetwin").type(DashboardLinkType.DASHBOARDS).tags([BOARDS_TAG]).as_dropdown(False)
    console = DashboardLink("Console").type(DashboardLinkType.LINK).url(CONSOLE + page).target_blank(True)
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([BOARDS_TAG])
        .timezone("utc")
        .time(begin, end)
        .refresh("1m")
        .readonly()
        .link(others.keep_time(True).include_vars(True))
        .link(console)
    )


def choice(name: str, label: str, query: str, sort: VariableSort = VariableSort.NATURAL_ASC) -> QueryVariable:
    """A dashboard variable whose values come from the points; older servers read its query as plain text only."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(INFLUX)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(sort)
    )


def _set(name: str, value: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val=name, value=value)


def _fixed(colour: str) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": colour}


def _out_of_legend() -> DynamicConfigValue:
    return _set("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False})
