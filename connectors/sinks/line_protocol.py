"""InfluxDB line protocol: how a point is written, so that the database reads back what was meant.

A point is its measurement, its tags and its time, and a later write of the same point replaces it; so all three come
from the event alone, and reading the stream again changes nothing. Tags are few and bounded: never an event id or an
alert id, and a device's name only where an alert is about it. What may change when late data come (severity, text) is a
field, so that the corrected point replaces the old one: what stands is the best that is known now. What was said before
of the same point stays beside it (`said`). Curves are floats in every point. Two alerts, or doses of two
plans, of one patient in one millisecond stay apart by the nanoseconds below it, taken from their ids (`scatter`).

What each kind of event becomes is in `connectors.sinks.lines`.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from connectors.sinks.arrival import Arrival
from twin.events import Band, Quantity, to_millis
from twin.units import UnitError, convert

NS_PER_MS = 1_000_000

LONGEST_TEXT = 2_000
"""Characters of free text kept in a field: InfluxDB refuses strings above 64 KiB."""

PUBLISHED = "_published"
"""What the measurement of points as they were published then is called, after that of the best current ones."""

QUANTILES = ("q05", "q25", "median", "q75", "q95")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TAG_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})
_TEXT_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})

Field = float | int | str | bool | None
Fields = Mapping[str, Field]


def line(measurement: str, tags: Mapping[str, str], fields: Fields, ns: int) -> str:
    """One line; empty tags and fields that are None are left out, as the protocol knows neither."""
    key = measurement + "".join(f",{name}={_tag(value)}" for name, value in tags.items() if value)
    written = ",".join(f"{name}={_field(value)}" for name, value in fields.items() if value is not None)
    return f"{key} {written} {ns}"


def said(
    measurement: str, tags: Mapping[str, str], fields: Fields, time: datetime, arrival: Arrival
) -> tuple[str, str]:
    """The line of a point that a later word of the twin replaces or withdraws, and that of it as it was published then.

    Its ``rev`` grows with each word on it: the place of the word in its topic. Nothing replaces what was published then
    but the same word said again: words on one point are told apart by the nanoseconds below its millisecond, which are
    made of what is said; ``published`` (ns) is when the word came.
    """
    now: Fields = {"rev": arrival.offset, "withdrawn": False}
    then: Fields = {"rev": arrival.offset, "published": arrival.millis * NS_PER_MS}
    below_ms = scatter(repr((measurement, tags, fields)), NS_PER_MS)
    return (
        line(measurement, tags, {**fields, **now}, nanos(time)),
        line(measurement + PUBLISHED, tags, {**fields, **then}, nanos(time) + below_ms),
    )


def in_unit(quantity: Quantity | None, unit: str) -> float | None:
    """``quantity`` in ``unit``, or None where it cannot be: the worker says so, here it is only not drawn."""
    if quantity is None:
        return None
    try:
        return float(convert(quantity.value, quantity.unit, unit))
    except UnitError:
        return None


def model_tag(model: str) -> str:
    """The tag of a model, or of several that are averaged: without the commas of the latter, which an address of a
    dashboard would write otherwise than the database.

    >>> model_tag("docetaxel_ozawa2007,docetaxel_netterberg2017")
    'docetaxel_ozawa2007.docetaxel_netterberg2017'
    """
    return model.replace(",", ".")


def band_fields(band: Band, prefix: str = "") -> dict[str, float]:
    """The quantiles of a band as fields."""
    return {prefix + name: float(getattr(band, name)) for name in QUANTILES}


def nanos(time: datetime) -> int:
    """Event time as the nanoseconds of a point."""
    return to_millis(time) * NS_PER_MS


def scatter(name: str, buckets: int) -> int:
    """A number in [0, buckets) that is always the same for ``name``."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) % buckets


@functools.lru_cache(maxsize=4096)
def _tag(value: str) -> str:
    """Line protocol cannot write a line break or a last backslash in a tag: they become a blank and a slash."""
    value = _CONTROL.sub(" ", value)
    if value.endswith("\\"):
        value = value[:-1] + "/"
    return value.translate(_TAG_ESCAPES)


def _field(value: Field) -> str:
    if isinstance(value, str):
        return '"' + _CONTROL.sub(" ", value[:LONGEST_TEXT]).translate(_TEXT_ESCAPES) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value}i" if isinstance(value, int) else repr(value)
