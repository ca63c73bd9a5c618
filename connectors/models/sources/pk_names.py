"""One to three compartments by the names of their parameters, for mrgsolve's $PKMODEL and nlmixr2's linCmt()."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from connectors.models.formulas import name, parsed, replaced
from connectors.models.source import Source, State

_ALIKE = {
    "cl": ("cl",), "v": ("v", "v1", "vc", "v2", "vcent"), "q": ("q", "q1"), "vp": ("vp", "v2", "v3", "vp1", "vt"),
    "q2": ("q2", "q4"), "vp2": ("vp2", "v3", "v4"), "ka": ("ka",), "k": ("k", "kel", "ke"),
    "k12": ("k12", "k23"), "k21": ("k21", "k32"),
}  # fmt: skip


def build(source: Source, defined: Collection[str], names: Mapping[str, str], line: int) -> str | None:
    """Add compartments for the parameters that are defined; the central concentration as text, or ``None``.

    ``names`` are what to call ``depot``, ``central``, ``peripheral1`` and ``peripheral2``.
    """
    given = {word.lower(): word for word in defined}
    found: dict[str, str] = {}
    for role, alike in _ALIKE.items():
        word = next((each for each in alike if each in given and given[each] not in found.values()), None)
        if word is not None:
            found[role] = given[word]
    if "v" not in found or not ({"cl", "k"} & set(found)):
        return None
    out = f"{found['cl']}/{found['v']}" if "cl" in found else found["k"]
    flows = {"central": [f"- ({out})*central"]}
    if "ka" in found:
        flows = {"depot": [f"- {found['ka']}*depot"], **flows}
        flows["central"].append(f"+ {found['ka']}*depot")
    for place, flow, volume in (("peripheral1", "q", "vp"), ("peripheral2", "q2", "vp2")):
        if flow in found and volume in found:
            there, back = f"{found[flow]}/{found['v']}*central", f"{found[flow]}/{found[volume]}*{place}"
            flows["central"].append(f"- {there} + {back}")
            flows[place] = [f"{there} - {back}"]
    if "k12" in found and "k21" in found:
        there, back = f"{found['k12']}*central", f"{found['k21']}*peripheral1"
        flows["central"].append(f"- {there} + {back}")
        flows["peripheral1"] = [f"{there} - {back}"]
    own = {role: name(names.get(role, role)) for role in flows}
    for role, terms in flows.items():
        derivative = replaced(parsed(" ".join(terms)), own)
        source.states.append(State(names.get(role, role), derivative, None, line))
    return f"{names.get('central', 'central')}/{found['v']}"
