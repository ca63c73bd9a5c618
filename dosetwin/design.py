"""A data frame as a design: an observation without a value asks for one."""

from __future__ import annotations

from collections.abc import Mapping

import narwhals.stable.v2 as nw

from dosetwin.frames import Frame

LIMITS = ("CENS", "BLQ", "LIMIT", "LLOQ", "LNDV")
"""Items that only a measured value has."""


def as_design(frame: Frame, columns: Mapping[str, str]) -> Frame:
    """The frame with a DV of 1 for every observation, whatever was or was not measured there.

    An observation is a record without AMT and RATE, whose EVID is missing or 0 and whose MDV is not 1.
    """
    table = nw.from_native(frame, eager_only=True)
    there = {str(name).upper(): name for name in table.columns}
    mapped = {item.upper(): column.upper() for item, column in columns.items()}

    def at(item: str) -> str | None:
        return there.get(mapped.get(item, item))

    observed = nw.lit(True)
    for item in ("AMT", "RATE", "EVID", "MDV"):
        if (name := at(item)) is not None:
            number = nw.col(name).cast(nw.Float64)
            observed = observed & (number.is_null() | number.is_nan() | (number == 0.0))
    kept = table.drop([name for item in LIMITS if (name := at(item)) is not None])
    if "DV" in mapped and at("DV") is None:
        return frame  # The reader says that there is no such column.
    value = nw.when(observed).then(nw.lit(1.0)).otherwise(nw.lit(None))
    return kept.with_columns(value.alias(at("DV") or "DV")).to_native()
