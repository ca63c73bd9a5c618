"""A panel as inline SVG: points, lines, bands and bars over two axes, drawn by the page's own colours.

A page of a fit has hundreds of panels, light or dark as the reader's screen is. So they are written here: thousands of
points are one path, colours are classes of the page (``connectors/reports/templates/fit.html``), text stays text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from connectors.reports.fitted.scales import Axis
from twin.arrays import Floats

WIDTH, HEIGHT = 320, 236

LEFT, RIGHT, TOP, BOTTOM = 54, 8, 8, 40
"""Room around the axes."""

BEYOND = 20.0
"""Sides of the panel that something may lie outside of it before it is not written down."""


class Panel:
    """Axes, and what is drawn on them; ``says`` is what it shows, for those who cannot see it."""

    def __init__(self, x: Axis, y: Axis, title: str, says: str, width: int = WIDTH, height: int = HEIGHT) -> None:
        self.x, self.y, self.title, self.says = x, y, title, says
        self.width, self.height = width, height
        self._drawn: list[str] = []
        self._notes: list[str] = []

    def points(self, x: Floats, y: Floats, kind: str = "") -> Panel:
        """A point each."""
        across, up = self._places(x, y)
        usable = self._near(across, up) & (np.abs(up - self.height / 2) <= self.height / 2 + 2)
        return self._path("dot", kind, "".join(f"M{a} {b}h0" for a, b in self._written(across[usable], up[usable])))

    def line(self, x: Floats, y: Floats, kind: str = "") -> Panel:
        """A line through points in their order, broken where one is no number."""
        across, up = self._places(x, y)
        usable = self._near(across, up)
        begins = usable & ~np.concatenate([[False], usable[:-1]])
        written = self._written(np.where(usable, across, 0.0), np.where(usable, up, 0.0))
        parts = [f"{'M' if b else 'L'}{p[0]} {p[1]}" for p, u, b in zip(written, usable, begins, strict=True) if u]
        return self._path("line", kind, "".join(parts))

    def band(self, x: Floats, low: Floats, high: Floats, kind: str = "") -> Panel:
        """The area between two lines."""
        across, down = self._places(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]))
        usable = self._near(across, down)
        places = self._written(across[usable], down[usable])
        text = "L".join(f"{a} {b}" for a, b in places)
        return self._path("band", kind, f"M{text}Z" if text else "")

    def bars(self, edges: Floats, heights: Floats, kind: str = "") -> Panel:
        """Bars (n,) from 0 between edges (n + 1,)."""
        left, floor = self._places(edges, np.zeros(len(edges)))
        _, top = self._places(edges[:-1], heights)
        corners = zip(left[:-1], left[1:], top, floor[:-1], strict=True)
        written = [f"M{a:.1f} {c:.1f}V{b:.1f}H{d:.1f}V{c:.1f}Z" for a, d, b, c in corners]
        return self._path("band", f"{kind} full", "".join(written))

    def box(self, at: float, values: Floats, kind: str = "") -> Panel:
        """Quartiles and reach of values at a place across; they are points where they are few."""
        values = values[np.isfinite(values)]
        if len(values) < 5:
            return self.points(np.full(len(values), at), values, kind)
        low, q1, middle, q3, high = np.percentile(values, (5, 25, 50, 75, 95))
        half = 0.28
        self.band(np.array([at - half, at + half]), np.array([q1, q1]), np.array([q3, q3]), kind)
        self.line(np.array([at - half, at + half]), np.array([middle, middle]), kind)
        nothing = np.nan
        self.line(np.array([at, at, nothing, at, at]), np.array([low, q1, nothing, q3, high]), f"{kind} thin")
        beyond = values[(values < low) | (values > high)]
        return self.points(np.full(len(beyond), at), beyond, kind)

    def level(self, y: float, kind: str = "soft thin") -> Panel:
        """A line across."""
        return self.line(np.array([self.x.low, self.x.high]), np.array([y, y]), kind)

    def equal(self, kind: str = "soft thin") -> Panel:
        """The line on which both axes say the same."""
        ends = np.array([max(self.x.low, self.y.low), min(self.x.high, self.y.high)])
        return self.line(ends, ends, kind) if ends[1] > ends[0] else self

    def note(self, text: str) -> Panel:
        """Words in the upper corner."""
        self._notes.append(f'<text class="note" x="{self.width - RIGHT - 4}" y="{TOP + 12}">{escape(text)}</text>')
        return self

    def figure(self, names: Sequence[str] | None = None) -> Markup:
        """The panel with its title; ``names`` are written across in place of the numbers 0, 1, 2 ..."""
        caption = Markup("<figcaption>{}</figcaption>").format(self.title) if self.title else ""
        return Markup('<figure class="panel">{}{}</figure>').format(caption, self.svg(names))

    def svg(self, names: Sequence[str] | None = None) -> Markup:
        """The panel alone."""
        across, down = self.width - LEFT - RIGHT, self.height - TOP - BOTTOM
        place = f'x="{LEFT}" y="{TOP}" width="{across}" height="{down}" viewBox="{LEFT} {TOP} {across} {down}"'
        # What goes beyond the axes is cut off by a viewport of its own.
        body = f"{self._frame(names)}<svg {place}>{''.join(self._drawn)}</svg>{''.join(self._notes)}"
        return Markup(
            f'<svg role="img" aria-label="{escape(self.says)}" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}">{body}</svg>'
        )

    def _frame(self, names: Sequence[str] | None) -> str:
        floor, right = self.height - BOTTOM, self.width - RIGHT
        found = [f'<path class="frame" d="M{LEFT} {TOP}V{floor}H{right}"/>']
        across = [(float(i), n) for i, n in enumerate(names)] if names is not None else self.x.ticks()
        for value, text in across:
            at = self._places(np.array([value]), np.array([self.y.low]))[0][0]
            found.append(f'<text class="tick" x="{at:.1f}" y="{floor + 14}">{escape(text)}</text>')
            found.append(f'<path class="grid" d="M{at:.1f} {TOP}V{floor}"/>')
        for value, text in self.y.ticks():
            at = self._places(np.array([self.x.low]), np.array([value]))[1][0]
            found.append(f'<text class="tick up" x="{LEFT - 5}" y="{at + 4:.1f}">{escape(text)}</text>')
            found.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
        middle = (LEFT + right) / 2
        found.append(f'<text class="name" x="{middle:.0f}" y="{self.height - 8}">{escape(self.x.label)}</text>')
        down = (TOP + floor) / 2
        found.append(
            f'<text class="name" transform="translate(11 {down:.0f}) rotate(-90)">{escape(self.y.label)}</text>'
        )
        return "".join(found)

    def _places(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        across = LEFT + self.x.place(x) * (self.width - LEFT - RIGHT)
        up = (self.height - BOTTOM) - self.y.place(y) * (self.height - TOP - BOTTOM)
        return across, up

    def _near(self, across: Floats, up: Floats) -> NDArray[np.bool_]:
        far = BEYOND * max(self.width, self.height)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.isfinite(across) & np.isfinite(up) & (np.abs(across) < far) & (np.abs(up) < far))

    @staticmethod
    def _written(across: Floats, up: Floats) -> list[tuple[str, str]]:
        return [(f"{a:.1f}", f"{b:.1f}") for a, b in zip(across.tolist(), up.tolist(), strict=True)]

    def _path(self, what: str, kind: str, places: str) -> Panel:
        if places:
            self._drawn.append(f'<path class="{f"{what} {kind}".strip()}" d="{places}"/>')
        return self
