"""How numbers, units, lengths of time and ticks are written for people."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from twin.figure.style import house_style
from twin.figure.writing import duration, labelled, log_ticks, number, title, unit


@given(st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) > 1e-12))
def test_a_number_is_read_back_to_three_digits_and_has_no_exponent_of_a_programmer(value: float) -> None:
    text = number(value)
    assert "e" not in text
    powers = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    assert float(text.replace("×10", "e").translate(powers)) == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_a_dash(value: float) -> None:
    assert number(value) == "–"


def test_ends_of_an_interval_are_written_alike() -> None:
    assert (number(171234.0), number(1.0)) == ("171000", "1")


@pytest.mark.parametrize(
    ("ucum", "written"),
    [("10*9/L", "×10⁹/L"), ("10*3/uL", "×10³/µL"), ("nmol/10*9", "nmol/10⁹"), ("mL/min/{1.73_m2}", "mL/min/1.73 m²")],
)
def test_a_unit_is_written_as_people_do(ucum: str, written: str) -> None:
    assert unit(ucum) == written


def test_a_label_has_no_brackets_without_a_unit() -> None:
    assert (labelled("score", "1"), labelled("level", "ug/L")) == ("score", "level (µg/L)")


def test_long_times_are_days_and_short_ones_minutes() -> None:
    lengths = ((504.0, "h"), (47.0, "h"), (0.5, "h"), (3.0, "d"))
    assert [duration(*each) for each in lengths] == ["21 d", "47 h", "30 min", "3 d"]


@pytest.mark.parametrize(("low", "high"), [(0.8, 3.0), (0.1, 900.0), (1e-6, 1e6)])
def test_ticks_of_a_small_logarithmic_axis_do_not_overlap(low: float, high: float) -> None:
    with house_style():
        figure = Figure(figsize=(2.7, 1.95), layout="constrained")
        ax = figure.subplots()
        ax.set_yscale("log")
        ax.set_ylim(low, high)
        log_ticks(ax.yaxis)
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in ax.get_yticklabels(which="both") if text.get_text()]
        shown = sorted((box.y0, box.y1) for box in boxes if figure.bbox.y0 <= box.y0 <= figure.bbox.y1)
    assert len(shown) >= 2
    assert all(upper[0] >= lower[1] for lower, upper in pairwise(shown))


def test_a_title_is_broken_into_lines_and_stays_over_its_panel() -> None:
    with house_style():
        figure = Figure(figsize=(8, 3), layout="constrained")
        axes = figure.subplots(1, 3)
        for ax in axes:
            title(ax, "endoxifen_plasma_concentration: the last course of six weeks")
        figure.draw_without_rendering()
        ends = [ax._left_title.get_window_extent().x1 for ax in axes]
        following = [ax.get_window_extent().x0 for ax in axes[1:]] + [figure.bbox.x1]
    assert all(end <= start for end, start in zip(ends, following, strict=True))
