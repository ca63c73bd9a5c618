"""What a parameter means, for whoever reads "V1" or "Slope": the model file's note, else what its symbol stands for.

A symbol is read only where its unit says the same: ``CL`` in L/h is a clearance, ``CL`` in 1/h is not explained.
"""

from __future__ import annotations

import re

from twin.model.spec import ParameterSpec

_FLOW = re.compile(r"m?L/(h|d|min|wk)")
_VOLUME = re.compile(r"m?L")
_RATE = re.compile(r"1/(h|d|min|wk)")
_TIME = re.compile(r"h|d|min|wk")
_ANY = re.compile(r".*")
_STRENGTH = re.compile(r"(m?L/.*|1/.?mg|1/g)")
_SHARE = re.compile(r"1")

SYMBOLS: tuple[tuple[re.Pattern[str], re.Pattern[str], str], ...] = (
    (re.compile(r"CLD|Q\d?"), _FLOW, "flow between the blood and a tissue compartment"),
    (re.compile(r"CL.*"), _FLOW, "clearance: volume freed of the substance in a unit of time"),
    (re.compile(r"V([a-z]|\d|D)?"), _VOLUME, "volume of distribution of one compartment"),
    (re.compile(r"KA|ka"), _RATE, "how fast it is absorbed"),
    (re.compile(r"[Kk](tr|out|in|p)?.*"), _RATE, "rate constant"),
    (re.compile(r"SL|[Ss]lope.*|CHMSL"), _STRENGTH, "how strongly the drug acts, for each unit of its level"),
    (re.compile(r"Emax"), _SHARE, "the largest effect"),
    (re.compile(r"(EC|IC|A)50.*"), _ANY, "level at which half of the effect is reached"),
    (re.compile(r"A?LAG.*"), _TIME, "delay before it begins to act or to be absorbed"),
    (re.compile(r"M[TR]T.*"), _TIME, "mean time that cells or molecules stay"),
    (re.compile(r"[Bb]ase.*|Circ0|PSA0"), _ANY, "value before treatment"),
    (re.compile(r"eta_.*"), _SHARE, "how far the patient is from the typical one"),
)
"""Symbol, unit, and what it stands for, as the field writes them."""

BY_SYMBOL = "by its symbol; the model file has no note"


def said_of(parameter: ParameterSpec) -> str | None:
    """What a parameter means; ``None`` where neither file nor symbol tells.

    >>> from twin import load_model
    >>> by_name = {each.name: each for each in load_model("docetaxel_ozawa2007").parameters}
    >>> said_of(by_name["MTT"])
    'mean transit time from stem cells to blood'
    >>> said_of(by_name["V1"])
    'volume of distribution of one compartment (by its symbol; the model file has no note)'
    """
    if parameter.note:
        return " ".join(parameter.note.split())
    for symbol, unit, words in SYMBOLS:
        if symbol.fullmatch(parameter.name) and unit.fullmatch(parameter.unit):
            return f"{words} ({BY_SYMBOL})"
    return None


def rests_on(parameter: ParameterSpec) -> str | None:
    """Where its number was published, or why it is assumed."""
    if parameter.source:
        return " ".join(parameter.source.split())
    return f"assumed: {' '.join(parameter.assumed.split())}" if parameter.assumed else None
