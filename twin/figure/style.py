"""The house style of figures: few lines, text that can be read, colours that anyone tells apart.

Colours are of the Okabe-Ito set, which people with any kind of colour vision tell apart.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import matplotlib as mpl

BLUE, GREEN, ORANGE, PINK, INK, SOFT, LINE = "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#16202a", "#55626e", "#dde2e6"

WIDE = 0.16
"""Opacity of a band that holds nine of ten."""


def house_style() -> AbstractContextManager[None]:
    """Figures that are made and saved inside are in the house style."""
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
