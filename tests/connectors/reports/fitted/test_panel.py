"""A panel is well-formed, says what it shows, and leaves out what is no number."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np

from connectors.reports.fitted.panel import HEIGHT, WIDTH, Panel
from connectors.reports.fitted.scales import Axis


def panel() -> Panel:
    return Panel(Axis(0.0, 10.0, "time (h)"), Axis(0.0, 5.0, "level <mg>"), "A & B", 'six "values"')


def drawn(of: Panel, what: str) -> list[str]:
    return [e.attrib["d"] for e in ET.fromstring(of.svg()).iter("path") if e.attrib["class"].split()[0] == what]


def test_what_is_written_is_escaped_and_well_formed() -> None:
    root = ET.fromstring(panel().points(np.array([1.0]), np.array([2.0])).figure())
    svg = root.find("svg")
    assert svg is not None
    assert svg.attrib["aria-label"] == 'six "values"'
    assert root.findtext("figcaption") == "A & B"
    assert "level <mg>" in [e.text for e in root.iter("text")]


def test_every_point_has_a_place_inside_and_nothing_else_has() -> None:
    x, y = np.array([0.0, 5.0, np.nan, 5.0]), np.array([0.0, 5.0, 1.0, 1e9])
    (path,) = drawn(panel().points(x, y), "dot")
    places = [tuple(map(float, p)) for p in re.findall(r"M([\d.]+) ([\d.]+)h0", path)]
    assert len(places) == 2
    assert all(0 <= a <= WIDTH and 0 <= b <= HEIGHT for a, b in places)
    assert places[1][1] < places[0][1], "up is more"


def test_a_line_is_broken_where_there_is_no_number() -> None:
    (path,) = drawn(panel().line(np.arange(5.0), np.array([1.0, 2.0, np.nan, 3.0, 4.0])), "line")
    assert path.count("M") == 2
    assert path.count("L") == 2


def test_few_values_are_points_and_many_are_a_box() -> None:
    assert drawn(panel().box(1.0, np.array([1.0, 2.0])), "band") == []
    many = panel().box(1.0, np.linspace(1, 4, 40))
    assert len(drawn(many, "band")) == 1
    assert len(drawn(many, "dot")) == 1


def test_nothing_draws_nothing() -> None:
    empty = panel().points(np.empty(0), np.empty(0)).line(np.empty(0), np.empty(0)).bars(np.array([0.0]), np.empty(0))
    assert (drawn(empty, "dot"), drawn(empty, "line")) == ([], [])
