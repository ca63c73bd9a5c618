"""Times of FHIR (hl7.org/fhir/R4/datatypes.html#dateTime): a year, month, day or an instant with its offset."""

from __future__ import annotations

import re
from datetime import datetime

from connectors.facts.fact import Moment, NotAFact, Resolution

_PARTIAL: dict[int, tuple[str, Resolution]] = {4: ("%Y", "year"), 7: ("%Y-%m", "month"), 10: ("%Y-%m-%d", "day")}
_FRACTION = re.compile(r"\.(\d+)")


def moment(value: object) -> Moment | None:
    """The time that a dateTime or instant is; None of what is none.

    Raises:
        NotAFact: ``malformed`` of a text that is no time.
    """
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip()
    try:
        if len(text) in _PARTIAL:
            form, resolution = _PARTIAL[len(text)]
            return Moment(datetime.strptime(text, form), resolution)
        return Moment(datetime.fromisoformat(_FRACTION.sub(lambda found: f".{found[1][:6].ljust(6, '0')}", text)))
    except ValueError:
        raise NotAFact("malformed", "no dateTime, as 2026-03-02T09:00:00+01:00") from None
