"""Axes that can be read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from twin.figure.axes import labelled, log_ticks, title
from twin.figure.style import house_style


def test_a_label_has_no_brackets_without_a_unit() -> None:
    assert (labelled("score", "1"), labelled("level", "ug/L")) == ("score", "level (µg/L)")


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
