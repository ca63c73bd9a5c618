"""What a source says of its covariates by how it uses them: the value that each formula is centred on, and its unit.

A stream names its data items and no more. What divides a covariate (``WT/70``) or is taken off it (``AGE-40``) is its
reference; of one that is only compared it is the value that nothing is changed for. Where the use says nothing a usual
value stands in. All of that is an assumption, and told as one.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from connectors.models.formulas import value
from connectors.models.source import Source

USUAL = {
    "WT": ("kg", 70.0), "BW": ("kg", 70.0), "WEIGHT": ("kg", 70.0), "BWT": ("kg", 70.0), "BBWT": ("kg", 70.0),
    "FFM": ("kg", 55.0), "LBM": ("kg", 55.0), "IBW": ("kg", 65.0), "AGE": ("a", 40.0), "HT": ("cm", 170.0),
    "HEIGHT": ("cm", 170.0), "BSA": ("m2", 1.73), "BMI": ("kg/m2", 24.0), "CRCL": ("mL/min", 90.0),
    "CLCR": ("mL/min", 90.0), "EGFR": ("mL/min", 90.0), "GFR": ("mL/min", 90.0), "ALB": ("g/L", 40.0),
    "SCR": ("umol/L", 80.0), "CREAT": ("umol/L", 80.0),
}  # fmt: skip
"""Unit and usual value by the usual names of covariates."""


def references(source: Source) -> dict[str, tuple[float, str]]:
    """For each covariate of a source a reference value, and in words where it is from."""
    formulas = [
        *source.definitions.values(),
        *(state.derivative for state in source.states),
        *(state.initial for state in source.states if state.initial is not None),
    ]
    centres: dict[str, Counter[float]] = {word: Counter() for word in source.covariates}
    compared: dict[str, list[float]] = {word: [] for word in source.covariates}
    for formula in formulas:
        for word, at in _centred(formula):
            if word in centres:
                centres[word][at] += 1
        for word, at in _compared(formula):
            if word in compared:
                compared[word].append(at)
    found: dict[str, tuple[float, str]] = {}
    for word in source.covariates:
        plausible = [at for at in compared[word] if at > -1]
        if set(plausible) == {1.0}:
            plausible = [0.0]
        if word in source.references:
            found[word] = source.references[word], "as given"
        elif centres[word]:
            at = centres[word].most_common(1)[0][0]
            found[word] = at, f"the source centres it on {at:g}"
        elif (known := usual(word)) is not None:
            found[word] = known[1], "the source gives no reference; a usual adult's"
        elif plausible:
            found[word] = (
                min(plausible),
                f"the source gives no reference; {min(plausible):g}, by what it asks of it",
            )
        else:
            found[word] = 1.0, "the source gives no reference; 1 stands in"
    return found


def usual(word: str) -> tuple[str, float] | None:
    """Unit and usual value of a covariate of this name, a ``B`` for baseline before it or not."""
    plain = word.upper()
    return USUAL.get(plain) or (USUAL.get(plain[1:]) if plain.startswith("B") else None)


def _centred(formula: ast.expr) -> Iterator[tuple[str, float]]:
    for node in ast.walk(formula):
        match node:
            case ast.BinOp(left=ast.Name(id=word), op=ast.Div() | ast.Sub(), right=right):
                at = value(right)
                if at is not None and at > 0:
                    yield word, at


def _compared(formula: ast.expr) -> Iterator[tuple[str, float]]:
    for node in ast.walk(formula):
        match node:
            case ast.Compare(left=ast.Name(id=word), comparators=[right]):
                at = value(right)
                if at is not None:
                    yield word, at
