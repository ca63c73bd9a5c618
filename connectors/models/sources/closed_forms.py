"""PREDPP's own compartments, ADVAN1 to 5, 7 and 10 to 12, as differential equations of the names that each TRANS reads.

NONMEM Users Guide, part VI. Compartments are named as there: DEPOT, CENTRAL, PERIPHERAL.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from dataclasses import dataclass

from connectors.models.formulas import parsed

_ORAL = "DEPOT"
_FLOWS = {
    ("1", "2"): {"K": "CL/V"},
    ("2", "2"): {"K": "CL/V"},
    ("3", "3"): {"K": "CL/V", "K12": "Q/V", "K21": "Q/(VSS - V)"},
    ("4", "3"): {"K": "CL/V", "K23": "Q/V", "K32": "Q/(VSS - V)"},
    ("3", "4"): {"K": "CL/V1", "K12": "Q/V1", "K21": "Q/V2"},
    ("4", "4"): {"K": "CL/V2", "K23": "Q/V2", "K32": "Q/V3"},
    ("11", "4"): {"K": "CL/V1", "K12": "Q2/V1", "K21": "Q2/V2", "K13": "Q3/V1", "K31": "Q3/V3"},
    ("12", "4"): {"K": "CL/V2", "K23": "Q3/V2", "K32": "Q3/V3", "K24": "Q4/V2", "K42": "Q4/V4"},
    ("3", "5"): {"K21": "(AOB*BETA + ALPHA)/(AOB + 1)", "K": "ALPHA*BETA/K21", "K12": "ALPHA + BETA - K21 - K"},
    ("4", "5"): {"K32": "(AOB*BETA + ALPHA)/(AOB + 1)", "K": "ALPHA*BETA/K32", "K23": "ALPHA + BETA - K32 - K"},
    ("3", "6"): {"K": "ALPHA*BETA/K21", "K12": "ALPHA + BETA - K21 - K"},
    ("4", "6"): {"K": "ALPHA*BETA/K32", "K23": "ALPHA + BETA - K32 - K"},
}
_PLAIN = {
    "1": ["CENTRAL"], "2": ["DEPOT", "CENTRAL"], "3": ["CENTRAL", "PERIPHERAL"],
    "4": ["DEPOT", "CENTRAL", "PERIPHERAL"], "10": ["CENTRAL"], "11": ["CENTRAL", "PERIPHERAL1", "PERIPHERAL2"],
    "12": ["DEPOT", "CENTRAL", "PERIPHERAL1", "PERIPHERAL2"],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compartments:
    """Compartments in order, the rate constants that TRANS makes, and each derivative of those."""

    names: list[str]
    constants: dict[str, ast.expr]
    derivatives: list[ast.expr]


def compartments(advan: str, trans: str) -> Compartments | None:
    """Those of an ADVAN and TRANS (``"4"``, ``"4"``); ``None`` where they are no pair that is known."""
    names = _PLAIN.get(advan)
    if names is None or (trans != "1" and (advan, trans) not in _FLOWS):
        return None
    constants = {key: parsed(text) for key, text in _FLOWS.get((advan, trans), {}).items()}
    first = 2 if names[0] == _ORAL else 1
    flows: list[list[str]] = [[] for _ in names]
    if first == 2:
        flows[0].append("- KA*DEPOT")
        flows[1].append("KA*DEPOT")
    centre = names[first - 1]
    if advan == "10":
        flows[0].append("- VM*CENTRAL/(KM + CENTRAL)")
    else:
        flows[first - 1].append(f"- K*{centre}")
    for other in range(first + 1, len(names) + 1):
        out, back = f"K{first}{other}*{centre}", f"K{other}{first}*{names[other - 1]}"
        flows[first - 1] += [f"- {out}", f"+ {back}"]
        flows[other - 1] += [out, f"- {back}"]
    return Compartments(names, constants, [parsed(" ".join(terms)) for terms in flows])


def linear(names: list[str], defined: Collection[str]) -> Compartments:
    """ADVAN5 and ADVAN7: compartments with a constant ``K12`` or ``K1T12`` for each flow; 0 is outside."""
    flows: list[list[str]] = [[] for _ in names]
    for word in sorted(defined):
        found = re.fullmatch(r"K(\d+)T(\d+)|K(\d)(\d)", word)
        if found is None:
            continue
        out, into = (int(found[1]), int(found[2])) if found[1] else (int(found[3]), int(found[4]))
        if not 1 <= out <= len(names) or into > len(names) + 1:
            continue
        flows[out - 1].append(f"- {word}*{names[out - 1]}")
        if 1 <= into <= len(names):
            flows[into - 1].append(f"+ {word}*{names[out - 1]}")
    return Compartments(names, {}, [parsed(" ".join(terms) or "0") for terms in flows])
