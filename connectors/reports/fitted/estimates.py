"""What was found of each number, and how certain it is: rows of a table, and the correlations of the estimates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from twin.model.measured.error_numbers import ErrorNumber, number_called
from twin.population.results.uncertainty import NORMAL_95
from twin.population.values import is_variance

STRONG = 0.9
"""A correlation of estimates that is worth a word."""

SQUARE = 30
"""Side of a square of the heat map."""


@dataclass(frozen=True)
class Estimate:
    """One number; ``error`` is its standard error, ``rse`` that in percent of it, ``low`` to ``high`` the 95 %
    interval: 1.96 standard errors to either side, of a size that cannot be negative on its logarithm, and of the other
    numbers of an error on the scale that they move on. What there is not
    is ``None``. ``others`` are the 95 % intervals of each of `asked_for`, ends of which may be ``None``."""

    name: str
    value: float
    error: float | None
    rse: float | None
    low: float | None
    high: float | None
    others: tuple[tuple[float | None, float | None], ...]


def estimates_of(found: Mapping[str, Any]) -> list[Estimate]:
    """Of what `fit.json` says, with the standard errors that it calls best."""
    kind = found["standard_errors"]
    others = [{one["name"]: (one["low"], one["high"]) for one in numbers} for _, numbers in asked_for(found)]
    rows = []
    for one in found["estimates"]:
        value, error = one["value"], one[f"se_{kind}"] if kind else None
        rse = abs(100.0 * error / value) if error is not None and value else None
        low, high = (None, None) if error is None else _interval(one["name"], value, error)
        rows.append(
            Estimate(
                one["name"],
                value,
                error,
                rse,
                low,
                high,
                tuple(other.get(one["name"], (None, None)) for other in others),
            )
        )
    return rows


def asked_for(found: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Intervals that were asked for besides: how they were found, and those of numbers."""
    each = [(key, found.get(key)) for key in ("bootstrap", "profile", "sir")]
    return [(key, content if key == "profile" else content["numbers"]) for key, content in each if content]


def _interval(name: str, value: float, error: float) -> tuple[float, float | None]:
    along = number_called(name) or ErrorNumber(name, 0.0 if is_variance(name) else -math.inf, math.inf)
    if not along.holds(value):
        return value - NORMAL_95 * error, value + NORMAL_95 * error
    place, apart = along.placed(value), NORMAL_95 * error / along.slope(value)
    high = along.natural(place + apart)
    # Of a variance that ran to 0 the logarithm may be anything.
    return along.natural(place - apart), None if math.isinf(high) else high


def strong_pairs(found: Mapping[str, Any]) -> list[str]:
    """Pairs of estimates that correlate strongly, in words."""
    names, rows = [one["name"] for one in found["estimates"]], found["correlation"] or []
    return [
        f"{names[j]} and {names[i]}: {rows[i][j]:.2f}"
        for i in range(len(rows))
        for j in range(i)
        if rows[i][j] is not None and abs(rows[i][j]) > STRONG
    ]


def heat_map(found: Mapping[str, Any]) -> Markup:
    """The correlations as squares, with their number; nothing where there are none."""
    names, rows = [one["name"] for one in found["estimates"]], found["correlation"]
    if not rows:
        return Markup("")
    left = 8 + 7 * max(map(len, names))
    side = SQUARE * len(names)
    parts = []
    for i, name in enumerate(names):
        middle = SQUARE * i + SQUARE / 2
        parts.append(f'<text class="tick up" x="{left - 6}" y="{middle + 4:.0f}">{escape(name)}</text>')
        parts.append(
            f'<text class="tick up" transform="translate({left + middle + 4:.0f} {side + 8}) rotate(-90)">'
            f"{escape(name)}</text>"
        )
        for j in range(i + 1):
            r = rows[i][j]
            if r is None:
                continue
            kind = "plus" if r >= 0 else "minus"
            place = f'x="{left + SQUARE * j}" y="{SQUARE * i}" width="{SQUARE - 1}" height="{SQUARE - 1}"'
            parts.append(f'<rect class="{kind}" {place} fill-opacity="{0.55 * abs(r):.2f}"/>')
            text = "1" if i == j else f"{r:.2f}"
            parts.append(
                f'<text class="cell" x="{left + SQUARE * j + SQUARE / 2:.0f}" y="{middle + 4:.0f}">{text}</text>'
            )
    wide, high = left + side + 4, side + left + 4
    return Markup(
        f'<svg role="img" aria-label="correlations of the estimates" viewBox="0 0 {wide} {high}" width="{wide}"'
        f' height="{high}">{"".join(parts)}</svg>'
    )
