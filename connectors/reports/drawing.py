"""Drawings as inline SVG: one house style, no pixels, the same bytes for the same numbers.

Colours are of the Okabe-Ito set, which people with any kind of colour vision tell apart.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, GREEN, ORANGE, PINK, INK, SOFT, LINE = "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#16202a", "#55626e", "#dde2e6"

WIDE = 0.16
"""Opacity of a band that holds nine of ten."""

Drawing = tuple[Figure, list[Axes]]


@contextmanager
def drawing(panels: int, *, columns: int, panel: tuple[float, float] = (3.1, 2.3)) -> Iterator[Drawing]:
    """A figure with ``panels`` axes in rows of ``columns``, each ``panel`` inches wide and high, in the house style."""
    rows = -(-panels // columns)
    across = min(columns, panels)
    with _style():
        figure = Figure(figsize=(panel[0] * across, panel[1] * rows), layout="constrained")
        grid = figure.subplots(rows, across, squeeze=False)
        axes = list(grid.flat)
        for empty in axes[panels:]:
            empty.remove()
        yield figure, axes[:panels]


def svg(figure: Figure, says: str) -> Markup:
    """The figure as an SVG element; ``says`` is what it shows, for those who cannot see it."""
    text = io.StringIO()
    with _style():
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


def _style() -> AbstractContextManager[None]:
    return mpl.rc_context(
        {
            "svg.fonttype": "none",  # text stays text: it can be read out, searched and copied
            "svg.hashsalt": "dosetwin",
            "font.family": ["sans-serif"],
            "font.sans-serif": ["system-ui", "DejaVu Sans"],
            "font.size": 9.5,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.edgecolor": SOFT,
            "axes.labelcolor": SOFT,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.8,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": LINE,
            "grid.linewidth": 0.6,
            "text.color": INK,
            "xtick.color": SOFT,
            "ytick.color": SOFT,
            "legend.frameon": False,
            "legend.fontsize": 8.5,
            "lines.linewidth": 1.5,
        }
    )
