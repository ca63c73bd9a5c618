"""How people and devices spell units: what stands for one UCUM code, and what was probably meant by the rest.

A spelling that can mean one thing only is understood (`canonical_spelling`). Of any other `meant` makes guesses, part
by part and whatever its upper and lower case; they are only ever suggested, and `twin.units` suggests none that is no
unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SPELLINGS = {
    "bpm": "/min",
    "beats/min": "/min",
    "breaths/min": "/min",
    "cells/uL": "/uL",
    "cells/L": "/L",
    "x10E9/L": "10*9/L",
    "10E9/L": "10*9/L",
    "x10^9/L": "10*9/L",
    "x10*9/L": "10*9/L",
    "10e9/L": "10*9/L",
    "x10E3/uL": "10*3/uL",
    "10E3/uL": "10*3/uL",
    "x10^3/uL": "10*3/uL",
    "IU": "[iU]",
    "IU/L": "[iU]/L",
    "IU/mL": "[iU]/mL",
    "mmHg": "mm[Hg]",
    "°C": "Cel",
    "°F": "[degF]",
    "mg/m²": "mg/m2",
    "m²": "m2",
    "hr": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
    "sec": "s",
    "mL/hr": "mL/h",
    "mg/hr": "mg/h",
}
"""Whole codes that devices and laboratories write, and the UCUM code each stands for."""

_MISREAD = {
    "G/L": "10*9/L",
    "K/uL": "10*3/uL",
    "M/uL": "10*6/uL",
    "mL/min/1.73.m2": "mL/min/{1.73_m2}",
    "mL/min/1.73m2": "mL/min/{1.73_m2}",
    "M": "mol/L",
    "uM": "umol/L",
    "nM": "nmol/L",
}
"""Codes that mean something else in UCUM, or nothing, and what was probably meant: only ever suggested."""

_PREFIXED = {
    "g": "fpnumk", "L": "fpnumdc", "mol": "fpnumk", "m": "numck", "[iU]": "mk", "U": "munk", "eq": "m", "osm": "m",
    "Pa": "hkM", "s": "mu", "kat": "un", "cal": "k", "J": "k", "Bq": "kMG", "W": "m", "Hz": "kM",
}  # fmt: skip
"""Units of medicine with the prefixes that are met; the first to claim a spelling keeps it."""

_PLAIN = (
    "h", "min", "d", "wk", "mo", "a", "Cel", "K", "%", "mm[Hg]", "cm[H2O]", "[degF]", "[lb_av]", "[in_i]", "m2", "m3",
    "cm2", "cm3", "mm3", "1",
)  # fmt: skip

_WORDS = {
    "mcg": "ug", "gamma": "ug", "gm": "g", "gram": "g", "grams": "g", "kgs": "kg", "milligram": "mg",
    "microgram": "ug", "nanogram": "ng", "lit": "L", "liter": "L", "litre": "L", "liters": "L", "litres": "L",
    "ltr": "L", "cc": "mL", "ccm": "mL", "micromol": "umol", "mole": "mol", "moles": "mol", "hr": "h", "hrs": "h",
    "hour": "h", "hours": "h", "std": "h", "minute": "min", "minutes": "min", "mins": "min", "mn": "min", "sec": "s",
    "secs": "s", "second": "s", "seconds": "s", "day": "d", "days": "d", "tag": "d", "week": "wk", "weeks": "wk",
    "month": "mo", "months": "mo", "yr": "a", "year": "a", "years": "a", "iu": "[iU]", "ie": "[iU]", "ui": "[iU]",
    "unit": "U", "units": "U", "miu": "m[iU]", "mmhg": "mm[Hg]", "cmh2o": "cm[H2O]", "celsius": "Cel", "c": "Cel",
    "degc": "Cel", "f": "[degF]", "degf": "[degF]", "lb": "[lb_av]", "lbs": "[lb_av]", "inch": "[in_i]", "pct": "%",
    "percent": "%", "qm": "m2", "sqm": "m2", "cmm": "mm3", "mosmol": "mosm", "osmol": "osm", "giga": "10*9",
    "gpt": "10*9", "tpt": "10*12", "mio": "10*6", "tsd": "10*3", "thou": "10*3", "cells": "", "cell": "", "beats": "",
    "breaths": "", "dose": "", "bsa": "m2", "none": "1",
}  # fmt: skip
"""Words for units; an empty one counts things, which UCUM leaves out."""


def _by_case() -> dict[str, str]:
    """The code of each plain or prefixed unit by its lower-case spelling."""
    known: dict[str, str] = {}
    for code in (*_PLAIN, *(prefix + unit for unit, prefixes in _PREFIXED.items() for prefix in ("", *prefixes))):
        known.setdefault(code.lower(), code)
    return known | _WORDS


_KNOWN = _by_case()


def canonical_spelling(code: str) -> str:
    """The UCUM code that a local spelling stands for; any other text unchanged.

    >>> canonical_spelling("mcg/kg/min"), canonical_spelling("x10E9/L"), canonical_spelling("mg/L")
    ('ug/kg/min', '10*9/L', 'mg/L')
    """
    spelled = re.sub(r"\bmcg\b", "ug", code.strip().replace("µ", "u").replace("μ", "u"))
    return SPELLINGS.get(spelled, spelled)


def meant(code: str) -> Iterator[str]:
    """Codes that may have been meant by a spelling, likeliest first; some may be no unit.

    >>> [next(meant(code)) for code in ("NG/ML", "mg per l", "µg*hr/ml", "ng mL-1", "K/uL", "mg/m^2")]
    ['ng/mL', 'mg/L', 'ug.h/mL', 'ng/mL', '10*3/uL', 'mg/m2']
    """
    trimmed = " ".join(code.split())
    for spelling, intended in {**_MISREAD, **SPELLINGS}.items():
        if spelling.lower() == trimmed.replace(" ", "").lower():
            yield intended
    parts = _parts(trimmed)
    if parts is not None:
        yield parts


_TEN = r"(?:x|\*)?\s*10\s*(?:\*\*|\^|\*|e|exp)?\s*\(?\+?(3|6|9|12)\)?"
_PART = re.compile(
    rf"\s*(?:(?P<ten>{_TEN})(?![\w.])|(?P<per>/|\bper\b|\bpro\b)|(?P<times>[.*·×]|\bx\b|-(?=[a-z]))"
    r"|(?P<note>\{[^{}]*\})|(?P<surface>1[.,]73\s*(?:\*|\.|x)?\s*(?:m\^?2|m²|sqm|qm))"
    r"|(?P<word>(?:[a-z%][a-z]*(?:\[[a-z0-9_]*\])?|\[[a-z0-9_]+\]|°[cf]))"
    r"(?P<power>(?:\s*(?:\^|\*\*))?\s*\(?[-−]?[1-3](?!\d)\)?|[²³]|⁻¹)?)",
    re.IGNORECASE,
)


_TIMES = ("s", "min", "h", "d", "wk")

_SUPERSCRIPTS = str.maketrans("²³¹⁻−", "231--")


def _parts(code: str) -> str | None:
    """The code read part by part: units, powers of ten, and what stands between them."""
    text = re.sub(r"\bdeg(?:rees?)?\s*(?=[cf]\b)", "°", code.replace("µ", "u").replace("μ", "u"), flags=re.IGNORECASE)
    above: list[str] = []
    below: list[str] = []
    under, joined, at = False, True, 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or found.end() == at:
            return None
        at = found.end()
        if found["per"]:
            under, joined = True, True
        elif found["times"]:
            joined = True
        elif found["ten"]:
            above.append(f"10*{re.findall(r'(3|6|9|12)', found['ten'])[-1]}")
        elif found["surface"]:
            below.append("{1.73_m2}")
        elif found["note"]:
            above.append(found["note"])
        elif found["word"]:
            unit, negative = _unit(found["word"], found["power"] or "")
            if unit is None or not (joined or negative or unit in _TIMES):
                return None  # A blank between two units multiplies by a time only.
            joined = unit in ("", *_TIMES)
            if unit:
                (below if under or negative else above).append(unit)
    return ".".join(above) + "".join(f"/{unit}" for unit in below) or None


def _unit(word: str, power: str) -> tuple[str | None, bool]:
    """The code of one word with its power, and whether that is negative; ``None`` for a word that nobody knows."""
    digits = power.translate(_SUPERSCRIPTS)
    size = re.sub(r"[^123]", "", digits)
    word = word.replace("°", "")
    known = _KNOWN.get(f"{word}{size}".lower()) if size else _KNOWN.get(word.lower())
    if known is None and size:
        known = _KNOWN.get(word.lower())
        known = None if known is None else known + ("" if size == "1" else size)
    return known, "-" in digits
