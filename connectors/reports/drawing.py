"""Drawings as inline SVG: one house style, no pixels, the same bytes for the same numbers."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.figure.style import house_style

Drawing = tuple[Figure, list[Axes]]


@contextmanager
def drawing(panels: int, *, columns: int, panel: tuple[float, float] = (3.1, 2.3)) -> Iterator[Drawing]:
    """A figure with ``panels`` axes in rows of ``columns``, each ``panel`` inches wide and high, in the house style."""
    rows = -(-panels // columns)
    across = min(columns, panels)
    with house_style():
        figure = Figure(figsize=(panel[0] * across, panel[1] * rows), layout="constrained")
        grid = figure.subplots(rows, across, squeeze=False)
        axes = list(grid.flat)
        for empty in axes[panels:]:
            empty.remove()
        yield figure, axes[:panels]


def svg(figure: Figure, says: str) -> Markup:
    """The figure as an SVG element; ``says`` is what it shows, for those who cannot see it."""
    text = io.StringIO()
    with house_style():
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    body = text.getvalue()
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    # Ids that nothing refers to would stand on one page many times.
    body = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", body)
    # The page decides how wide it is; the height follows from the view box.
    body = re.sub(r'(<svg [^>]*?)width="([\d.]+)pt" height="[\d.]+pt"', r'\1style="width: \2pt"', body, count=1)
    label = Markup('<svg role="img" aria-label="{}" ').format(says)
    return Markup(body.replace("<svg ", str(label), 1))
